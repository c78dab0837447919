#include "load/downlink_inbox.h"

#include <charconv>

namespace holdfast {

namespace {

constexpr std::size_t max_inbox_bytes = 64 * 1024;

}  // namespace

void DownlinkInbox::take(Framing framing, std::span<const char> arrived, std::vector<GatewayWord>& words) {
    kept_.append(arrived.data(), arrived.size());
    std::span<const char> window(kept_);
    while (true) {
        const Frame frame = next_frame(framing, window, scan_, max_inbox_bytes);
        if (frame.kind == Frame::Kind::item) {
            const auto item = window.subspan(frame.begin, frame.end - frame.begin);
            if (const auto word = gateway_word({item.data(), item.size()})) words.push_back(*word);
        }
        window = window.subspan(frame.next);
        if (frame.kind == Frame::Kind::partial || window.empty()) break;
        if (frame.next == 0) return clear();  // the rest cannot be cut into items
    }
    if (window.empty()) return clear();
    kept_.erase(0, kept_.size() - window.size());
}

void DownlinkInbox::clear() {
    std::string().swap(kept_);
    scan_ = {};
}

namespace {

constexpr std::string_view downlink_head = R"({"load_downlink":)";
constexpr std::string_view resume_head = R"({"resume":)";
constexpr std::string_view ack_head = R"({"ack":)";
constexpr std::string_view nack_head = R"({"nack":)";
constexpr std::string_view reason_head = R"(,"reason":")";
constexpr std::string_view gap_reason = R"(,"reason":"gap",)";

/// Returns the number between `head` and the remaining text, which `rest` receives.
std::optional<std::uint64_t> number_behind(std::string_view head, std::string_view item, std::string_view& rest) {
    if (!item.starts_with(head)) return {};
    const char* const first = item.data() + head.size();
    const char* const last = item.data() + item.size();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(first, last, number);
    if (error != std::errc{}) return {};
    rest = {end, static_cast<std::size_t>(last - end)};
    return number;
}

}  // namespace

std::optional<GatewayWord> gateway_word(std::string_view item) noexcept {
    using Kind = GatewayWord::Kind;
    std::string_view rest;
    if (const auto number = number_behind(ack_head, item, rest); number && rest == "}")
        return GatewayWord{Kind::ack, *number};
    if (const auto number = number_behind(resume_head, item, rest); number && rest == "}")
        return GatewayWord{Kind::resume, *number};
    if (const auto number = number_behind(downlink_head, item, rest); number && rest == "}")
        return GatewayWord{Kind::downlink, *number};
    if (const auto number = number_behind(nack_head, item, rest); number && rest.starts_with(reason_head))
        return GatewayWord{rest.starts_with(gap_reason) ? Kind::gap : Kind::nack, *number};
    return {};
}

std::string downlink_item(std::uint64_t number) { return std::string(downlink_head) + std::to_string(number) + "}"; }

}  // namespace holdfast
