#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

/// Holds the list of files of events, the content of each, and the newest durable position. Does not own the files. Any
/// thread.
class SegmentIndex {
public:
    struct Segment {
        Position first = 0;
        Position last = 0;        ///< its newest durable event; first - 1 if there is none
        WallTime oldest;          ///< commit time of its first row, if known
        WallTime newest;          ///< commit time of its last row
        bool current = false;     ///< the writer appends to it
        bool sealed = false;      ///< a plain file without a log
        bool removed = false;     ///< its file is gone, and not by retention
        std::uint64_t bytes = 0;  ///< appended by this process
    };
    struct Span {
        Position first = 0;  ///< names the file
        Position end = 0;    ///< one past the last valid position in it
        bool removed = false;
    };

    /// Adds a file at the start, in ascending order.
    void add(const Segment& segment, Position last);
    /// Corrects times before 1970 and after `now`, which come from damage or another clock.
    void bound_times(WallTime now);

    // Called by the spool's thread.
    void begin(Position first, WallTime now);                         ///< a new current file
    void committed(Position last, WallTime at, std::uint64_t bytes);  ///< `bytes`: total of the current file
    void end_current();                                               ///< finished: only read
    void forget(Position first);                                      ///< its file was removed, or never held an event
    void sealed(Position first);
    void removed(Position first);

    [[nodiscard]] Position last() const;
    [[nodiscard]] Position first() const;  ///< last() + 1 if there is no event
    [[nodiscard]] std::vector<Segment> all() const;
    [[nodiscard]] std::optional<Segment> oldest() const;
    /// Returns the file that would hold a durable position, or nullopt if retention has removed it.
    [[nodiscard]] std::optional<Span> span_of(Position position) const;

    bool wait_for(Position after, std::chrono::milliseconds timeout);
    void stop_waiting();

private:
    mutable std::mutex mutex_;
    std::condition_variable news_;
    std::vector<Segment> segments_;  // ascending
    Position last_ = 0;
    bool stopped_ = false;
};

}  // namespace holdfast
