#include "daemon/log_limiter.h"

#include <algorithm>

namespace holdfast {

namespace {

constexpr std::chrono::seconds one_second{1};
const std::string all_others = "various";

}  // namespace

LogLimiter::State& LogLimiter::state_of(const std::string& cause, SteadyTime now) {
    if (const auto known = causes_.find(cause); known != causes_.end()) return known->second;
    if (causes_.size() >= most_causes) {
        std::erase_if(causes_, [now](const auto& each) {
            return each.second.held == 0 && now - each.second.second >= one_second;
        });
    }
    return causes_[causes_.size() < most_causes ? cause : all_others];
}

bool LogLimiter::pass(const std::string& cause, LogLevel level, SteadyTime now) {
    State& state = state_of(cause, now);
    if (state.passed == 0 || now - state.second >= one_second) {
        state.second = now;
        state.passed = 0;
    }
    if (state.passed < lines_per_second) {
        ++state.passed;
        return true;
    }
    if (state.held++ == 0) {
        state.held_since = now;
        state.level = level;
    }
    state.level = std::max(state.level, level);
    return false;
}

std::vector<LogLimiter::Held> LogLimiter::take_due(SteadyTime now, bool all) {
    std::vector<Held> due;
    for (auto& [cause, state] : causes_) {
        if (state.held == 0 || (!all && now - state.held_since < report_every)) continue;
        const auto over = std::max(std::chrono::ceil<std::chrono::seconds>(now - state.held_since), one_second);
        due.push_back({.cause = cause, .level = state.level, .count = state.held, .over = over});
        state.held = 0;
    }
    std::sort(due.begin(), due.end(), [](const Held& a, const Held& b) { return a.cause < b.cause; });
    return due;
}

}  // namespace holdfast
