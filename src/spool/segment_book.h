#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "spool/position.h"

namespace holdfast {

/// Which files there are, what is in each, and the newest durable position. Owns that knowledge, not the files. Any
/// thread.
class SegmentBook {
public:
    struct Segment {
        Position first = 0;
        Position last = 0;        ///< its newest durable event; first - 1: none yet
        WallTime oldest;          ///< commit of its first row, as far as known
        WallTime newest;          ///< of its last
        bool current = false;     ///< it is being written to
        bool sealed = false;      ///< a plain file without a log
        bool removed = false;     ///< its file is gone, and not by retention
        std::uint64_t bytes = 0;  ///< appended to it by this process
    };
    struct Span {
        Position first = 0;  ///< names the file
        Position end = 0;    ///< behind the last position that counts in it
        bool removed = false;
    };

    /// At the start, in ascending order.
    void add(const Segment& segment, Position last);
    /// Corrects times before 1970 and after `now`, which only damage or another clock has written.
    void bound_times(WallTime now);

    // The spool's thread.
    void begin(Position first, WallTime now);                         ///< a new current one
    void committed(Position last, WallTime at, std::uint64_t bytes);  ///< `bytes` in the current one
    void end_current();                                               ///< it is not written to any more
    void forget(Position first);                                      ///< its file has gone, or never held anything
    void sealed(Position first);
    void removed(Position first);

    [[nodiscard]] Position last() const;
    [[nodiscard]] Position first() const;  ///< last() + 1 if there is none
    [[nodiscard]] std::vector<Segment> all() const;
    [[nodiscard]] std::optional<Segment> oldest() const;
    /// Where a durable position would be; nothing if retention has taken it.
    [[nodiscard]] std::optional<Span> span_of(Position position) const;

    bool wait_for(Position after, std::chrono::milliseconds patience);
    void stop_waiting();

private:
    mutable std::mutex mutex_;
    std::condition_variable news_;
    std::vector<Segment> segments_;  // ascending
    Position last_ = 0;
    bool stopped_ = false;
};

}  // namespace holdfast
