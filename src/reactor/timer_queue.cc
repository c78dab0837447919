#include "reactor/timer_queue.h"

#include <utility>
#include <vector>

namespace holdfast {

void TimerQueue::advance_to(SteadyTime now) {
    if (timers_.empty() || timers_.begin()->first > now) return;
    std::vector<decltype(timers_)::node_type> due;
    while (!timers_.empty() && timers_.begin()->first <= now) due.push_back(timers_.extract(timers_.begin()));
    for (auto& timer : due) timer.mapped()();
}

}  // namespace holdfast
