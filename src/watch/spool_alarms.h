#pragma once

#include <chrono>

#include "watch/alarm_engine.h"
#include "watch/episode.h"

namespace holdfast {

/// spool_unreadable and spool_damaged: events that are in the spool and do not reach their consumers. One thread.
class SpoolWatch {
public:
    static constexpr std::chrono::seconds right_for{3};  ///< then they are cleared

    void look(AlarmBook& book, const AlarmInput& input);

private:
    static void explain_error(Alarm& alarm, const SinkHealth::Reading& reading);
    static void explain_damage(Alarm& alarm, const SinkHealth::Reading& reading);

    Episode unreadable_;
    Episode damaged_;
};

}  // namespace holdfast
