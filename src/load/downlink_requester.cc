#include "load/downlink_requester.h"

#include <algorithm>
#include <utility>

#include "load/downlink_book.h"
#include "load/pace.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

// Listing many connections costs the gateway time: once a second at most, and a tenth of the time at most.
constexpr milliseconds refresh_interval{1'000};
constexpr milliseconds soon_refresh_interval{100};
constexpr int refresh_share = 10;
constexpr milliseconds turn{2};
constexpr milliseconds last_answer_timeout{500};

bool by_device(const DownlinkTarget& a, const DownlinkTarget& b) { return a.device < b.device; }

}  // namespace

std::size_t choose_target(const std::vector<DownlinkTarget>& targets, const LoadOptions& options, std::uint64_t nth) {
    const std::uint64_t drawn = draw_bits(options.seed, DrawFor::downlink, 0, nth) % options.connections;
    const DownlinkTarget wanted{.device = options.first_device + drawn, .connection = {}};
    const auto found = std::lower_bound(targets.begin(), targets.end(), wanted, by_device);
    return found == targets.end() ? 0 : static_cast<std::size_t>(found - targets.begin());
}

DownlinkRequester::DownlinkRequester(const Clock& clock, const LoadOptions& options, DownlinkBook& book,
                                     DownlinkGateway& gateway)
    : clock_(clock),
      options_(options),
      book_(book),
      gateway_(gateway),
      pace_(options.downlinks_per_second, clock.steady()),
      next_refresh_(clock.steady()),
      thread_([this] { run(); }) {}

void DownlinkRequester::stop() {
    {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        changed_.wait_for(lock, last_answer_timeout, [this] { return ended_; });
    }
    gateway_.break_off();
    if (thread_.joinable()) thread_.join();
}

bool DownlinkRequester::stopped_within(milliseconds pause) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, pause, [this] { return stopping_; });
}

void DownlinkRequester::run() {
    while (!stopped_within(turn)) {
        refresh_if_due();
        request_due();
    }
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
}

void DownlinkRequester::refresh_if_due() {
    const bool stale = book_.version() != seen_version_ || targets_.size() != book_.devices();
    if (stale && book_.devices() > 0 && clock_.steady() >= next_refresh_) refresh();
}

void DownlinkRequester::refresh() {
    const SteadyTime began = clock_.steady();
    seen_version_ = book_.version();
    auto told = gateway_.connections();
    const SteadyTime now = clock_.steady();
    if (stopped_within(milliseconds(0))) return;
    targets_.clear();
    if (!told) {
        trouble_ = told.error().message;
        next_refresh_ = soonest_refresh_ = now + refresh_interval;
        return;
    }
    for (GatewayConnection& connection : told.value()) {
        if (const auto device = book_.device_at(connection.peer)) targets_.push_back({*device, std::move(connection)});
    }
    std::sort(targets_.begin(), targets_.end(), by_device);
    const auto same = [](const DownlinkTarget& a, const DownlinkTarget& b) { return a.device == b.device; };
    targets_.erase(std::unique(targets_.begin(), targets_.end(), same), targets_.end());
    trouble_ = targets_.empty() ? "none of the " + std::to_string(told.value().size()) +
                                      " connections at --admin is of this fleet; name the admin address of the gateway "
                                      "at --to, and use no proxy between"
                                : "";
    const auto took = std::chrono::duration_cast<milliseconds>(now - began);
    soonest_refresh_ = now + std::max(soon_refresh_interval, took * refresh_share);
    next_refresh_ = targets_.empty() ? soonest_refresh_ : now + std::max(refresh_interval, took * refresh_share);
}

void DownlinkRequester::request_due() {
    const std::uint64_t due = pace_.due(clock_.steady());
    if (targets_.empty()) return pace_.take(due);
    for (std::uint64_t i = 0; i < due && !stopped_within(milliseconds(0)); ++i) request();
    pace_.take(due);
}

/// Sends the due downlinks. A downlink for a disconnected device is dropped. Otherwise the devices that stay connected
/// during a storm would receive all of them. The device may return under another id, so the list is refreshed soon.
void DownlinkRequester::request() {
    const DownlinkTarget& target = targets_[choose_target(targets_, options_, ++requested_)];
    if (book_.device_at(target.connection.peer) != target.device) {
        next_refresh_ = soonest_refresh_;
        return;
    }
    const std::uint64_t number = book_.request(target.device, clock_.steady());
    const auto status = gateway_.send(target.connection.id, downlink_item(number));
    book_.answered(number, status ? std::optional<int>(status.value()) : std::nullopt);
    if (!status && !stopped_within(milliseconds(0))) trouble_ = status.error().message;
    if (status) trouble_.clear();
}

}  // namespace holdfast
