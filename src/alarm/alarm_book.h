#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alarm/alarm.h"
#include "base/wall_line.h"

namespace holdfast {

/// Owns all alarms: the active, the recent, and the changes of one evaluation. One thread.
class AlarmBook {
public:
    static constexpr std::size_t max_recent = 100;

    static constexpr std::chrono::minutes kept_after_restart{5};          ///< alarms about connections
    static constexpr std::chrono::seconds others_kept_after_restart{30};  ///< alarms about states of the gateway

    /// Takes over the alarms of an earlier process. Those that were active stay so for that time: this process does not
    /// know the population before them. An alarm of the same kind and listener replaces such an alarm at once.
    void restore(AlarmBoard former);
    /// Updates the population of the earlier process's active alarms.
    void see_population(const std::string& listener, std::size_t population);

    /// Sets the time of all changes until the next call. After a step of the wall clock, former times move with it.
    void begin(std::chrono::steady_clock::time_point now, EventTime wall);

    /// Raises an alarm and assigns its id and time. Returns the id.
    std::uint64_t raise(Alarm alarm);
    /// Returns an active alarm, which must exist.
    [[nodiscard]] Alarm& active(std::uint64_t id);
    /// Replaces an active alarm's explanation. Its id, time and acknowledgement stay.
    void renew(std::uint64_t id, Alarm alarm);
    /// Reports the alarm again, since its text has changed.
    void changed(std::uint64_t id);
    void clear(std::uint64_t id);
    /// Stores the acknowledgement of an alarm, and reports the alarm again. Ignores an unknown one.
    void acknowledge(std::uint64_t id, std::optional<Acknowledgement> acknowledged);

    /// Returns the alarms that were raised, changed or cleared since the last call, each once.
    [[nodiscard]] std::vector<Alarm> take_news();
    [[nodiscard]] AlarmBoard board() const { return board_; }

private:
    void clear_restored(const std::function<bool(const Alarm&)>& is_over);

    std::vector<std::uint64_t> restored_;  // active alarms of the earlier process
    std::optional<std::chrono::steady_clock::time_point> first_evaluation_;
    EventTime wall_;
    WallLine wall_line_;
    AlarmBoard board_;
    std::vector<std::uint64_t> news_;
};

/// The life of one alarm at a time: raised when a fault appears, cleared after a period without it, so that it does not
/// flap. A value; one thread.
class Episode {
public:
    using Time = std::chrono::steady_clock::time_point;

    [[nodiscard]] bool active() const { return id_.has_value(); }
    [[nodiscard]] Alarm& alarm(AlarmBook& book) const { return book.active(*id_); }
    void raise(AlarmBook& book, Alarm alarm) {
        id_ = book.raise(std::move(alarm));
        right_since_.reset();
    }
    void renew(AlarmBook& book, Alarm alarm) const { book.renew(*id_, std::move(alarm)); }
    /// Reports the state of an active alarm.
    void see(AlarmBook& book, Time now, bool right, std::chrono::milliseconds timeout) {
        if (!right) {
            right_since_.reset();
            return;
        }
        if (!right_since_) right_since_ = now;
        if (now - *right_since_ >= timeout) end(book);
    }
    void end(AlarmBook& book) {
        if (id_) book.clear(*std::exchange(id_, std::nullopt));
    }

private:
    std::optional<std::uint64_t> id_;
    std::optional<Time> right_since_;
};

}  // namespace holdfast
