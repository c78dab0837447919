#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include "alarm/alarm_book.h"
#include "alarm/listener_step.h"

namespace holdfast {

/// peers_silent: many of a listener's connections did not answer when they were probed on suspicion, and have not
/// since; docs/tasks/alarms.md has the rules. Owns what it knows of the present suspects and at most one active
/// alarm. One thread; end() ends what is active.
class SilentWatch {
public:
    static constexpr std::chrono::seconds first_calm{3};  ///< without a suspect for so long: cleared
    static constexpr std::chrono::seconds longest_calm{60};
    static constexpr std::chrono::minutes flaps_within{5};  ///< raised again so soon, it must be calm for twice as long
    static constexpr std::chrono::seconds tell_every{5};

    /// Takes `suspected` and `recovered` ones, for their times.
    void note(const Observation& observation);
    void look(const Look& look, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    using Time = std::chrono::steady_clock::time_point;

    /// From the first suspect to the moment at which there is none.
    struct Wave {
        Time first;
        Time last_mark;
        Time last_answer;
        std::size_t marked = 0;     // again and again, those that answered between
        std::size_t recovered = 0;  // likewise
        std::size_t suspects = 0;
        std::size_t count = 0;  // the most that were suspect at a time, or have ended

        [[nodiscard]] std::size_t ended() const { return marked - std::min(marked, recovered + suspects); }
    };

    void follow(const Look& look, const ListenerStep& step);
    [[nodiscard]] static bool is_many(const Look& look, const ListenerStep& step, const Alarm& alarm);
    [[nodiscard]] Alarm described(const Look& look, const ListenerStep& step) const;
    void raise(const Look& look, Alarm alarm);
    void update(const Look& look, const ListenerStep& step);
    void put(const Look& look, const ListenerStep& step, Alarm& alarm) const;

    std::optional<Time> noted_first_;   // since the last look
    std::optional<Time> noted_answer_;  // the last
    std::optional<Wave> wave_;          // also the last one of an active alarm
    bool over_ = true;                  // no suspect is left of it
    std::size_t waves_ = 0;             // of the active alarm
    std::chrono::milliseconds calm_ = first_calm;
    std::optional<Time> cleared_at_;
    Time told_at_{};
    Episode episode_;
};

}  // namespace holdfast
