#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "watch/alarm_engine.h"
#include "watch/episode.h"

namespace holdfast {

/// stream_loss, twin_gateway, dead_letter, fleet_cut_off and presence_budget: what goes wrong with NATS although events
/// go on. Each is active while its sentence in SinkHealth is there. One thread.
class ForwardingWatch {
public:
    static constexpr std::chrono::seconds gone_for{10};  ///< then it is cleared

    void look(AlarmBook& book, const AlarmInput& input);

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
    static const Kind presence_budget;
    static void look_at(Episode& episode, AlarmBook& book, const AlarmInput& input, const Kind& kind,
                        const std::string& what);

    Episode loss_;
    Episode twin_;
    Episode letter_;
    Episode cut_off_;
    Episode budget_;
};

}  // namespace holdfast
