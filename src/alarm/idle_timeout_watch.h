#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "alarm/alarm_book.h"
#include "alarm/listener_step.h"

namespace holdfast {

/// An end by the peer or by something on the path, and the silence before it.
struct SilentEnd {
    Endpoint peer;
    std::chrono::steady_clock::time_point at;
    std::chrono::milliseconds silence{};  ///< since the latest item, or since the accept
    CloseReason reason{};
};

/// Ends after the same silence.
struct SameSilence {
    std::chrono::milliseconds shortest{};
    std::chrono::milliseconds longest{};  ///< at most 5 % more
    std::vector<SilentEnd> ends;          ///< in the order of time
};

/// Returns the largest group of ends whose silences differ by 5 % at most. nullopt if it is less than four fifths of
/// all, or shows in fewer than three periods: devices that fell silent together end together once. Pure; O(n log n).
[[nodiscard]] std::optional<SameSilence> same_silence(std::vector<SilentEnd> ends);

/// idle_timeout: connections end again and again after the same silence; docs/tasks/alarms.md has the rules. Owns the
/// latest ends, at most 4,096, and at most one active alarm. One thread; end() ends the active alarm.
class IdleTimeoutWatch {
public:
    static constexpr std::size_t max_ends = 4'096;
    static constexpr std::chrono::hours memory{1};
    static constexpr std::chrono::seconds min_silence{10};
    static constexpr std::chrono::seconds look_every{5};
    static constexpr std::chrono::minutes calm_for{5};  ///< at least, and twice the timeout: cleared

    void note(const Observation& observation);
    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    [[nodiscard]] bool may_have_one_silence() const;
    [[nodiscard]] Alarm explained(const Sample& sample, const ListenerStep& step, const SameSilence& same) const;
    void update(const Sample& sample, const ListenerStep& step, const SameSilence& same);

    std::deque<SilentEnd> ends_;
    bool noted_ = false;  // since the latest look
    CloseLog::Time looked_at_{};
    CloseLog::Time latest_{};  // end of the active alarm
    std::chrono::milliseconds timeout_{};
    std::size_t reported_ = 0;
    Episode episode_;
};

}  // namespace holdfast
