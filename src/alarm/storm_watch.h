#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "alarm/alarm_book.h"
#include "alarm/listener_step.h"
#include "alarm/window_statistics.h"

namespace holdfast {

/// Short-lived connections whose device had been there shortly before: its earlier connection ended, or this one was
/// taken over in turn.
struct Returns {
    std::vector<CloseRecord> closes;  ///< their ends, in the order of time
    std::size_t peers = 0;            ///< devices that returned: per address, at most its simultaneous connections
};

/// Finds the returns among `closes`, the ends and takeovers of one listener: those that ended since `since` and lived
/// for at most `lived`. An end is followed by one return at most, from the same address. Pure; O(n log n).
[[nodiscard]] Returns returns_among(std::vector<CloseRecord> closes, CloseLog::Time since,
                                    std::chrono::milliseconds lived);

/// reconnect_storm: within a minute, a large share of the population comes back and ends again; docs/tasks/alarms.md
/// has the rules. Owns its counts and at most one active alarm. One thread; end() ends the active alarm.
class StormWatch {
public:
    static constexpr std::chrono::seconds look_every{5};  ///< for returns

    void evaluate(const Sample& sample, const ListenerStep& step);
    void end(AlarmBook& book) { episode_.end(book); }

private:
    enum Count : std::size_t { accepted, ended };
    [[nodiscard]] bool beyond(const Sample& sample, double min, double times) const;
    void look(const Sample& sample, const ListenerStep& step, double min, double max_population);
    [[nodiscard]] static Returns returns_of(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] static Alarm explained(const Sample& sample, const ListenerStep& step, const Returns& returns);

    WindowSum<2> window_;
    std::array<Usual, 2> usual_;  // of accepted and ended connections
    CloseLog::Time looked_at_{};
    bool returning_ = false;                  // at the latest look
    std::optional<CloseLog::Time> found_at_;  // the first of consecutive looks that found many returns
    Episode episode_;
};

}  // namespace holdfast
