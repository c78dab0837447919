#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/status.h>

#include "base/wall_line.h"

namespace holdfast {

/// Counts of one step of time, and the population at its end.
struct TrendPoint {
    EventTime at;                   ///< the step's end
    std::uint64_t connections = 0;  ///< at its end
    std::uint64_t fewest = 0;       ///< minimum of connections at any sample of the step
    std::uint64_t max = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::array<std::uint64_t, close_reason_count> closed{};  ///< by CloseReason
    std::uint64_t items = 0;
    std::uint64_t bad_items = 0;
};

struct TrendQuery {
    std::chrono::seconds window{3'600};   ///< up to the latest sample, at most two days
    std::chrono::seconds step{0};         ///< 0: the finest that gives at most 600 points
    std::optional<std::string> listener;  ///< nullopt: all listeners together
};

struct TrendAnswer {
    std::chrono::seconds step{};     ///< the step used: a whole number of samples of the ring that covers the window
    std::vector<TrendPoint> points;  ///< oldest first; none from before the gateway's start
};

class TrendHistory;

/// Records the population of each listener and of all: a sample per second for an hour and per minute for two days.
/// Owns about 0.5 MB per listener (trend_history.h), allocated when it is first seen. A removed listener is kept for an
/// hour. One thread samples, any thread queries.
class Trend {
public:
    static constexpr std::chrono::seconds fine_window{3'600};      ///< in steps of whole seconds
    static constexpr std::chrono::seconds coarse_window{172'800};  ///< in steps of whole minutes
    static constexpr std::chrono::seconds gone_listener_kept{3'600};
    static constexpr std::size_t gone_listeners_kept = 16;

    Trend();
    Trend(const Trend&) = delete;
    Trend& operator=(const Trend&) = delete;
    ~Trend();

    /// Records a sample; call once a second. Counts between samples are part of the next one. The distance of two
    /// samples is monotonic time. After a step of the wall clock, the times of former samples move with it.
    void sample(SteadyTime now, EventTime wall, const ServerStatus& status);

    /// Returns no points for an unknown listener. The counts of one answer add up to the growth of the counters.
    [[nodiscard]] TrendAnswer answer(const TrendQuery& query) const;

    /// Returns everything as text, and reads it back in a later process before its first sample. Reading returns false,
    /// and changes nothing, if the text is of another form.
    [[nodiscard]] std::string saved() const;
    [[nodiscard]] bool restore(std::string_view text);

private:
    static constexpr std::size_t max_restored = 512;           ///< listeners
    static constexpr std::chrono::hours max_stepped{876'000};  ///< 100 years

    [[nodiscard]] TrendAnswer own_answer(const TrendQuery& query) const;
    void forget_the_gone(EventTime own);

    mutable std::mutex mutex_;
    std::optional<std::chrono::milliseconds>
        first_;           // guarded by mutex_; the first sample's wall minus its steady time
    WallLine wall_line_;  // guarded by mutex_
    std::chrono::milliseconds
        stepped_{};  // guarded by mutex_; steps of the wall clock since the first sample, also of earlier processes
    std::unique_ptr<TrendHistory> all_;                             // guarded by mutex_
    std::map<std::string, std::unique_ptr<TrendHistory>> by_name_;  // guarded by mutex_
};

}  // namespace holdfast
