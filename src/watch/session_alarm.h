#pragma once

#include <chrono>
#include <cstdint>

#include "watch/alarm_engine.h"
#include "watch/episode.h"

namespace holdfast {

/// session_budget: the spool forgets sessions of devices, because more are known than `max_sessions`. One thread.
class SessionWatch {
public:
    static constexpr std::chrono::seconds quiet_for{60};  ///< then it is cleared

    void look(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const SinkHealth::Sessions& sessions);

    std::uint64_t seen_ = 0;  // evictions
    Episode episode_;
};

}  // namespace holdfast
