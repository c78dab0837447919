#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "alarm/alarm_book.h"
#include "alarm/alarm_engine.h"

namespace holdfast {

/// stream_loss, twin_gateway, dead_letter, fleet_cut_off, fleet_gateway_lost and presence_budget: faults of NATS that
/// do not stop events. Each is active while the status of sink or fleet has a text for it. One thread.
class ForwardingWatch {
public:
    static constexpr std::chrono::seconds gone_for{10};  ///< then the alarm is cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    struct Kind {
        AlarmKind kind;
        std::string_view cause;
        std::string_view advice;
    };
    static const Kind stream_loss;
    static const Kind twin_gateway;
    static const Kind dead_letter;
    static const Kind fleet_cut_off;
    static const Kind fleet_gateway_lost;
    static const Kind presence_budget;
    static void follow(Episode& episode, AlarmBook& book, const AlarmInput& input, const Kind& kind,
                       const std::string& what);

    Episode loss_;
    Episode twin_;
    Episode letter_;
    Episode cut_off_;
    Episode gateway_lost_;
    Episode budget_;
};

/// session_budget: the spool evicts sessions, because there are more than `max_sessions`. One thread.
class SessionWatch {
public:
    static constexpr std::chrono::seconds quiet_for{60};  ///< then the alarm is cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const SessionFigures& sessions);

    std::uint64_t seen_ = 0;  // evictions
    Episode episode_;
};

/// spool_unreadable and spool_damaged: events in the spool do not reach their consumers. One thread.
class SpoolWatch {
public:
    static constexpr std::chrono::seconds right_for{3};  ///< then the alarms are cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain_error(Alarm& alarm, const SpoolStatus& spool);
    static void explain_damage(Alarm& alarm, const SpoolStatus& spool);

    Episode unreadable_;
    Episode damaged_;
};

}  // namespace holdfast
