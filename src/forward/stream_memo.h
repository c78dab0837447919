#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "forward/message.h"

namespace holdfast {

/// Returns a random number other than 0, for unused ids.
[[nodiscard]] std::uint64_t draw_salt();

/// A forwarder's memory of its stream, kept over restarts: the stream's identity, marks of acknowledged messages, and
/// message ids that must not be used again. A value; pure.
class StreamMemo {
public:
    /// JetStream has stored the event of that position, and all before it, up to this sequence.
    struct Mark {
        std::uint64_t sequence = 0;
        Position position = 0;
        std::int64_t at_s = 0;    ///< of the acknowledgement, on the spool's clock, in seconds since 1970
        std::int64_t wall_s = 0;  ///< on the system's clock, which includes time without power; 0: unknown

        friend bool operator==(const Mark&, const Mark&) = default;
    };

    /// Parses the result of text(). Returns an empty memo for anything else.
    [[nodiscard]] static StreamMemo parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    [[nodiscard]] bool empty() const { return stream_.empty(); }
    [[nodiscard]] const std::string& stream() const { return stream_; }
    [[nodiscard]] std::int64_t created_ns() const { return created_ns_; }
    [[nodiscard]] std::uint64_t deleted() const { return deleted_; }  ///< deleted messages within the stream
    [[nodiscard]] const std::vector<Mark>& marks() const { return marks_; }

    /// Sets the identity of the stream. Marks of another stream are dropped.
    void is_of(const std::string& stream, std::int64_t created_ns, std::uint64_t deleted);
    /// Adds a mark after the newest, else ignores it. Keeps about two for each doubling of the distance.
    void note(const Mark& mark);
    /// Drops the marks after `position`, whose messages the stream has lost.
    void forget_behind(Position position);
    /// Makes the ids of these positions use `salt`: the stream may still know the former ids although it lost the
    /// messages.
    void send_again(Position first, Position last, std::uint64_t salt);
    /// Replaces this process's epoch by `salt` from `first` on, since another process uses it.
    void leave_epoch(Position first, std::uint64_t salt);
    /// Records the end of the process that used the epoch; the spool's events went up to `last`.
    void restarted(Position last);
    void forget_up_to(Position published);  ///< ids of published events

    [[nodiscard]] bool is_own_epoch(std::uint64_t epoch) const;  ///< an epoch that replaced another
    /// Sets the message's id and epoch.
    void rename(const std::string& spool_id, NatsMessage& message) const;

private:
    struct Renaming {
        Position first = 0;
        Position last = 0;
        std::uint64_t salt = 0;
        bool is_epoch = false;
    };
    void add(const Renaming& renaming);

    std::string stream_;
    std::int64_t created_ns_ = 0;
    std::uint64_t deleted_ = 0;
    std::vector<Mark> marks_;          // ascending
    std::vector<Renaming> renamings_;  // later entries take precedence
};

}  // namespace holdfast
