#include "spool/start_retries.h"

#include <algorithm>
#include <thread>

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{20};
constexpr milliseconds longest_pause{1000};

}  // namespace

std::optional<DbError> StartRetries::run(const Work& work) {
    milliseconds next = first_pause;
    for (;;) {
        auto failed = work();
        if (!failed) {
            if (in_trouble_ && reports_.recovered) reports_.recovered();
            in_trouble_ = false;
            return std::nullopt;
        }
        if (!passes_by_itself(*failed) || timeout_ <= milliseconds(0)) return failed;
        if (!in_trouble_ && reports_.trouble)
            reports_.trouble("cannot read the spool in " + directory_ + ": " + failed->message +
                             ", and reads are retried without changes to the spool; see the kernel's log for the disk");
        in_trouble_ = true;
        const milliseconds now = std::min(next, timeout_);
        if (!pause(now)) return failed;
        timeout_ -= now;
        next = std::min(next * 2, longest_pause);
    }
}

bool StartRetries::pause(milliseconds time) const {
    if (reports_.pause) return reports_.pause(time);
    std::this_thread::sleep_for(time);
    return true;
}

}  // namespace holdfast
