#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "conn/connection.h"
#include "reactor/poller.h"

namespace holdfast {

/// Progress of a drain over all reactors; each adds its own part. Any thread.
struct DrainProgress {
    std::atomic<std::uint64_t> found = 0;     ///< connections that the drain selected
    std::atomic<std::uint64_t> ended = 0;     ///< connections that it ended as `drained`
    std::atomic<std::uint64_t> gone = 0;      ///< connections that ended before their turn
    std::atomic<unsigned> reactors_busy = 0;  ///< reactors that have not finished it
    std::atomic<bool> cancelled = false;
};

/// Parameters of a drain on one reactor. The functions are called on the reactor's thread.
struct DrainTask {
    SteadyTime began;
    std::chrono::milliseconds over{};     ///< the time over which the ends are spread
    std::chrono::milliseconds timeout{};  ///< timeout after `over` for connections with unread bytes
    std::function<bool(const Connection&)> wanted;
    /// Returns the framed item with the time to come back, or an empty text to send none.
    std::function<std::string(const Connection&, std::chrono::milliseconds retry_after)> goodbye;
    bool come_back_later = false;  ///< true: `over` after its end; false: at once
    std::uint64_t seed = 0;        ///< seed of the order
    std::shared_ptr<DrainProgress> progress;
};

/// Schedules a drain on one reactor: which connection ends next, and when. Owns the connections' numbers. The shard's
/// thread. Ends when no connection is left or the drain is cancelled.
class DrainRun {
public:
    explicit DrainRun(DrainTask task) : task_(std::move(task)) {}
    DrainRun(const DrainRun&) = delete;
    DrainRun& operator=(const DrainRun&) = delete;
    ~DrainRun() { --task_.progress->reactors_busy; }

    void add(Token number) { numbers_.push_back(number); }
    /// Starts the turns. The order is random, independent of time and place of the connections' arrival.
    void all_added();

    [[nodiscard]] bool cancelled() const { return task_.progress->cancelled.load(std::memory_order_relaxed); }
    /// Returns the next connection to close, or nullopt if none is due or left.
    [[nodiscard]] std::optional<Token> due(SteadyTime now) const;
    /// Returns the time of the next turn, or nullopt if no connection is left.
    [[nodiscard]] std::optional<SteadyTime> next() const;
    /// Moves the connection that is due behind the others, because it cannot end yet.
    void put_off();
    /// Removes the connection that is due. `ended`: the drain ended it; else it had ended before.
    void done(bool ended);

    [[nodiscard]] SteadyTime began() const { return task_.began; }
    /// Returns the time from which the connections end without reading.
    [[nodiscard]] SteadyTime deadline() const { return task_.began + task_.over + task_.timeout; }
    [[nodiscard]] bool wanted(const Connection& connection) const { return task_.wanted(connection); }
    /// Returns the goodbye for the connection that is due, or an empty text to send none.
    [[nodiscard]] std::string goodbye(const Connection& connection, SteadyTime now) const;

private:
    [[nodiscard]] SteadyTime turn_of(std::size_t place) const;

    const DrainTask task_;
    std::vector<Token> numbers_;
    std::size_t found_ = 0;  // the original connections at the front of numbers_; the rest were put off
    std::size_t next_ = 0;
};

}  // namespace holdfast
