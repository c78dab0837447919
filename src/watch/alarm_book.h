#pragma once

#include <cstdint>
#include <vector>

#include "watch/alarm.h"

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

}  // namespace holdfast
