#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "alarm/alarm.h"

namespace holdfast {

/// All alarms: what is active, what was, and what a look changed. One thread.
class AlarmBook {
public:
    static constexpr std::size_t most_recent = 100;

    /// Everything until the next call happens at `wall`.
    void begin(EventTime wall) { wall_ = wall; }

    /// Gives it its id and time.
    std::uint64_t raise(Alarm alarm);
    /// An active one; it must exist.
    [[nodiscard]] Alarm& active(std::uint64_t id);
    /// Tells of it again, since it says something else now.
    void changed(std::uint64_t id);
    void clear(std::uint64_t id);

    /// Raised, changed and cleared ones since the last call, each once.
    [[nodiscard]] std::vector<Alarm> take_news();
    [[nodiscard]] AlarmBoard board() const { return board_; }

private:
    EventTime wall_;
    std::uint64_t last_id_ = 0;
    AlarmBoard board_;
    std::vector<std::uint64_t> news_;
};

/// The life of one alarm at a time: raised when something is wrong, cleared when it has been right for a while, so that
/// it does not flap. A value; one thread.
class Episode {
public:
    using Time = std::chrono::steady_clock::time_point;

    [[nodiscard]] bool active() const { return id_.has_value(); }
    [[nodiscard]] Alarm& alarm(AlarmBook& book) const { return book.active(*id_); }
    void raise(AlarmBook& book, Alarm alarm) {
        id_ = book.raise(std::move(alarm));
        right_since_.reset();
    }
    /// Of an active one: how it is now.
    void see(AlarmBook& book, Time now, bool right, std::chrono::milliseconds patience) {
        if (!right) {
            right_since_.reset();
            return;
        }
        if (!right_since_) right_since_ = now;
        if (now - *right_since_ >= patience) end(book);
    }
    void end(AlarmBook& book) {
        if (id_) book.clear(*std::exchange(id_, std::nullopt));
    }

private:
    std::optional<std::uint64_t> id_;
    std::optional<Time> right_since_;
};

}  // namespace holdfast
