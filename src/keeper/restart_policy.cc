#include "keeper/restart_policy.h"

#include <algorithm>

namespace holdfast {

namespace {

constexpr int exit_after_crash = 1;

}  // namespace

KeeperStep RestartPolicy::after(const WorkerEnd& end, SteadyTime now) {
    using Action = KeeperStep::Action;
    has_served_ = has_served_ || end.has_served;
    if (end.stop_requested)
        return {.action = Action::exit, .pause = {}, .code = end.by_signal ? exit_after_crash : end.code};
    if (!end.by_signal && (end.has_served || !has_served_))
        return {.action = Action::exit, .pause = {}, .code = end.code};
    if (end.has_served) failed_starts_ = 0;
    if (!end.by_signal) return start_again();
    while (!crashes_.empty() && now - crashes_.front() >= memory) crashes_.pop_front();
    if (crashes_.empty()) given_up_ = 0;
    crashes_.push_back(now);
    if (crashes_.size() >= max_crashes_) return start_over();
    const auto pause = pause_step * static_cast<std::int64_t>(crashes_.size() - 1);
    return {.action = Action::restart, .pause = std::min(pause, longest_pause), .code = 0};
}

/// Lets the connections wait. The cause lies elsewhere, such as in the configuration, and closing them would not remove
/// it.
KeeperStep RestartPolicy::start_again() {
    constexpr unsigned doublings = 7;
    const auto pause = pause_step * (1 << std::min(failed_starts_++, doublings));
    return {.action = KeeperStep::Action::restart, .pause = std::min(pause, longest_pause_to_start), .code = 0};
}

/// Keeps the latest crash, so that the next minute of crashes lengthens the pause.
KeeperStep RestartPolicy::start_over() {
    crashes_.erase(crashes_.begin(), crashes_.end() - 1);
    constexpr unsigned doublings = 5;
    const auto pause = longest_pause * (1 << std::min(given_up_++, doublings));
    return {.action = KeeperStep::Action::start_over, .pause = std::min(pause, longest_pause_over), .code = 0};
}

}  // namespace holdfast
