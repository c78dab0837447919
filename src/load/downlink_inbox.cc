#include "load/downlink_inbox.h"

#include <charconv>

namespace holdfast {

namespace {

constexpr std::string_view item_head = R"({"load_downlink":)";
constexpr std::size_t most_bytes = 64 * 1024;

}  // namespace

std::string downlink_item(std::uint64_t number) { return std::string(item_head) + std::to_string(number) + "}"; }

std::optional<std::uint64_t> downlink_number(std::string_view item) noexcept {
    if (!item.starts_with(item_head) || !item.ends_with('}')) return {};
    const char* const first = item.data() + item_head.size();
    const char* const last = item.data() + item.size() - 1;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(first, last, number);
    if (error != std::errc{} || end != last) return {};
    return number;
}

void DownlinkInbox::take(Framing framing, std::span<const char> arrived, std::vector<std::uint64_t>& numbers) {
    kept_.append(arrived.data(), arrived.size());
    std::span<const char> window(kept_);
    while (true) {
        const Frame frame = next_frame(framing, window, scan_, most_bytes);
        if (frame.kind == Frame::Kind::item) {
            const auto item = window.subspan(frame.begin, frame.end - frame.begin);
            if (const auto number = downlink_number({item.data(), item.size()})) numbers.push_back(*number);
        }
        window = window.subspan(frame.next);
        if (frame.kind == Frame::Kind::partial || window.empty()) break;
        if (frame.next == 0) return clear();  // it cannot be cut: nothing of it is an item
    }
    if (window.empty()) return clear();
    kept_.erase(0, kept_.size() - window.size());
}

void DownlinkInbox::clear() {
    std::string().swap(kept_);
    scan_ = {};
}

}  // namespace holdfast
