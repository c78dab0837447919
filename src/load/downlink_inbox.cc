#include "load/downlink_inbox.h"

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
