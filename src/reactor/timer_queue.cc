#include "reactor/timer_queue.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/system_failure.h"

namespace holdfast {

void TimerQueue::advance_to(SteadyTime now) {
    if (timers_.empty() || timers_.begin()->first > now) return;
    std::vector<decltype(timers_)::node_type> due;
    while (!timers_.empty() && timers_.begin()->first <= now) due.push_back(timers_.extract(timers_.begin()));
    for (auto& timer : due) timer.mapped()();
}

using std::chrono::nanoseconds;

WakeTimer::WakeTimer() : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (!timer_.valid()) throw_errno("timerfd_create");
}

void WakeTimer::set(nanoseconds from_now) {
    from_now = std::max(from_now, nanoseconds(1));  // 0 would disarm the timer.
    const auto seconds = std::chrono::floor<std::chrono::seconds>(from_now);
    const itimerspec time{.it_interval = {}, .it_value = {seconds.count(), (from_now - seconds).count()}};
    HOLDFAST_CHECK(::timerfd_settime(timer_.get(), 0, &time, nullptr) == 0);
}

}  // namespace holdfast
