#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include "alarm/alarm_book.h"
#include "alarm/listener_step.h"

namespace holdfast {

/// peers_silent: many of a listener's connections did not answer probes on suspicion, and have not since;
/// docs/tasks/alarms.md has the rules. Owns the state of the current suspects and at most one active alarm. One thread;
/// end() ends the active alarm.
class SilentWatch {
public:
    static constexpr std::chrono::seconds first_calm{3};  ///< without a suspect for this time: cleared
    static constexpr std::chrono::seconds longest_calm{60};
    /// An alarm raised again within this time needs twice the calm.
    static constexpr std::chrono::minutes flaps_within{5};
    static constexpr std::chrono::seconds report_every{5};

    /// Records the times of `suspected` and `recovered` observations.
    void note(const Observation& observation);
    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    using Time = std::chrono::steady_clock::time_point;

    /// The period from the first suspect until there is none.
    struct Wave {
        Time first;
        Time last_mark;
        Time last_answer;
        std::size_t marked = 0;     // counts a connection again after each answer
        std::size_t recovered = 0;  // likewise
        std::size_t suspects = 0;
        std::size_t count = 0;  // the maximum of simultaneous suspects and those that ended

        [[nodiscard]] std::size_t ended() const { return marked - std::min(marked, recovered + suspects); }
    };

    void follow(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] static bool is_many(const Sample& sample, const ListenerStep& step, const Alarm& alarm);
    [[nodiscard]] Alarm described(const Sample& sample, const ListenerStep& step) const;
    void raise(const Sample& sample, Alarm alarm);
    void update(const Sample& sample, const ListenerStep& step);
    void put(const Sample& sample, const ListenerStep& step, Alarm& alarm) const;

    std::optional<Time> noted_first_;   // since the last evaluation
    std::optional<Time> noted_answer_;  // the latest
    std::optional<Wave> wave_;          // also the last one of an active alarm
    bool over_ = true;                  // it has no suspect left
    std::size_t waves_ = 0;             // of the active alarm
    std::chrono::milliseconds calm_ = first_calm;
    std::optional<Time> cleared_at_;
    Time reported_at_{};
    Episode episode_;
};

}  // namespace holdfast
