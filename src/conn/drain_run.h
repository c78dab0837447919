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

/// What a drain has come to, over all reactors: each adds its own part. Any thread.
struct DrainProgress {
    std::atomic<std::uint64_t> found = 0;     ///< connections that it is about
    std::atomic<std::uint64_t> ended = 0;     ///< by it, as `drained`
    std::atomic<std::uint64_t> gone = 0;      ///< that ended by themselves before it was their turn
    std::atomic<unsigned> reactors_busy = 0;  ///< that are not through with it
    std::atomic<bool> cancelled = false;
};

/// What each reactor is told of a drain. The functions are called on its thread.
struct DrainTask {
    SteadyTime began;
    std::chrono::milliseconds over{};      ///< the connections' ends are spread over it
    std::chrono::milliseconds patience{};  ///< beyond it, for those that always have more to be read
    std::function<bool(const Connection&)> wanted;
    /// The framed item that says when to come back; empty: nothing is said.
    std::function<std::string(const Connection&, std::chrono::milliseconds retry_after)> goodbye;
    bool come_back_later = false;  ///< a whole `over` after its end, else at once
    std::uint64_t seed = 0;        ///< of the order
    std::shared_ptr<DrainProgress> progress;
};

/// A drain as one reactor carries it out: whose turn it is, and when the next one's. Owns the numbers of those that it
/// is about; the shard's thread. Ends when none is left or it was cancelled.
class DrainRun {
public:
    explicit DrainRun(DrainTask task) : task_(std::move(task)) {}
    DrainRun(const DrainRun&) = delete;
    DrainRun& operator=(const DrainRun&) = delete;
    ~DrainRun() { --task_.progress->reactors_busy; }

    void add(Token number) { numbers_.push_back(number); }
    /// From now on they have turns: in an order that has nothing to do with when or whence they came.
    void all_added();

    [[nodiscard]] bool cancelled() const { return task_.progress->cancelled.load(std::memory_order_relaxed); }
    /// Whose turn it is; nothing: nobody's yet, or nobody is left.
    [[nodiscard]] std::optional<Token> due(SteadyTime now) const;
    /// When it is the next one's turn; nothing: nobody is left.
    [[nodiscard]] std::optional<SteadyTime> next() const;
    /// Whoever is due could not be ended yet: the others go first.
    void put_off();
    /// Whoever is due was ended, or had gone.
    void done(bool ended);

    [[nodiscard]] SteadyTime began() const { return task_.began; }
    /// From then on nothing more is read of those that are ended.
    [[nodiscard]] SteadyTime deadline() const { return task_.began + task_.over + task_.patience; }
    [[nodiscard]] bool wanted(const Connection& connection) const { return task_.wanted(connection); }
    /// What whoever is due is told; empty: nothing.
    [[nodiscard]] std::string goodbye(const Connection& connection, SteadyTime now) const;

private:
    [[nodiscard]] SteadyTime turn_of(std::size_t place) const;

    const DrainTask task_;
    std::vector<Token> numbers_;
    std::size_t found_ = 0;  // the first so many of numbers_; those beyond were put off
    std::size_t next_ = 0;
};

}  // namespace holdfast
