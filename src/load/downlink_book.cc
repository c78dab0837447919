#include "load/downlink_book.h"

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

namespace {

// Downlinks that never arrive are kept in case they do. A steady loss over days must not grow without bound.
constexpr std::size_t max_under_way = 1'000'000;
constexpr int http_accepted = 202;

}  // namespace

void DownlinkBook::connected(std::uint64_t device, const Endpoint& from) {
    const std::scoped_lock lock(mutex_);
    ++version_;
    device_at_[from] = device;
    place_of_[device] = from;
}

void DownlinkBook::disconnected(std::uint64_t device) {
    const std::scoped_lock lock(mutex_);
    const auto place = place_of_.find(device);
    if (place == place_of_.end()) return;
    ++version_;
    // The kernel may have assigned the port to another device since.
    const auto here = device_at_.find(place->second);
    if (here != device_at_.end() && here->second == device) device_at_.erase(here);
    place_of_.erase(place);
}

std::optional<std::uint64_t> DownlinkBook::device_at(const Endpoint& from) const {
    const std::scoped_lock lock(mutex_);
    const auto found = device_at_.find(from);
    if (found == device_at_.end()) return {};
    return found->second;
}

std::size_t DownlinkBook::devices() const {
    const std::scoped_lock lock(mutex_);
    return device_at_.size();
}

std::uint64_t DownlinkBook::version() const {
    const std::scoped_lock lock(mutex_);
    return version_;
}

std::uint64_t DownlinkBook::request(std::uint64_t device, SteadyTime now) {
    const std::scoped_lock lock(mutex_);
    if (under_way_.size() >= max_under_way) forget_oldest();
    const std::uint64_t number = ++counts_.asked;
    under_way_.emplace(number, UnderWay{.device = device, .began = now});
    return number;
}

void DownlinkBook::answered(std::uint64_t number, std::optional<int> status) {
    const std::scoped_lock lock(mutex_);
    if (!status) {
        ++counts_.unanswered;
    } else if (*status == http_accepted) {
        ++counts_.accepted;
    } else {
        ++counts_.refused[*status];
    }
    const auto found = under_way_.find(number);
    if (found == under_way_.end()) return;
    const bool may_come = !status || *status == http_accepted;
    if (found->second.arrived || !may_come) {
        under_way_.erase(found);
        return;
    }
    found->second.unanswered = !status;
    found->second.accepted = status.has_value();
    if (status) ++awaited_;
}

bool DownlinkBook::arrived(std::uint64_t number, std::uint64_t device, SteadyTime now) {
    const std::scoped_lock lock(mutex_);
    const auto found = under_way_.find(number);
    if (found == under_way_.end() || found->second.device != device || found->second.arrived) return false;
    UnderWay& downlink = found->second;
    ++counts_.arrived;
    counts_.latency.observe(std::chrono::duration_cast<std::chrono::microseconds>(now - downlink.began));
    if (downlink.accepted && --awaited_ == 0) all_arrived_.notify_all();
    downlink.arrived = true;
    if (downlink.accepted || downlink.unanswered) under_way_.erase(found);  // else its answer is outstanding
    return true;
}

void DownlinkBook::forget_oldest() {
    const auto oldest = under_way_.begin();
    if (oldest->second.accepted) {
        ++counts_.lost;
        --awaited_;
    }
    under_way_.erase(oldest);
}

void DownlinkBook::wait_for_arrivals(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    all_arrived_.wait_for(lock, timeout, [this] { return awaited_ == 0; });
}

DownlinkCounts DownlinkBook::counts() const {
    const std::scoped_lock lock(mutex_);
    DownlinkCounts now = counts_;
    now.lost += awaited_;
    return now;
}

}  // namespace holdfast
