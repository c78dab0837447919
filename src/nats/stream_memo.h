#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "nats/message.h"

namespace holdfast {

/// Returns a random number that is not 0, for ids that nobody has used.
[[nodiscard]] std::uint64_t draw_salt();

/// What a forwarder remembers of its stream, also over restarts: which stream it is, which messages JetStream has
/// acknowledged, and which message ids are not to be used again. A value; pure.
class StreamMemo {
public:
    /// JetStream stored the event of that position, and all before it, up to this sequence.
    struct Mark {
        std::uint64_t sequence = 0;
        Position position = 0;
        std::int64_t at_s = 0;    ///< of the acknowledgement, by the spool's clock, seconds since 1970
        std::int64_t wall_s = 0;  ///< the same by the system's clock, which counts the time without power; 0: unknown

        friend bool operator==(const Mark&, const Mark&) = default;
    };

    /// Of what text() returned. Returns an empty memo for anything else.
    [[nodiscard]] static StreamMemo parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    [[nodiscard]] bool empty() const { return stream_.empty(); }
    [[nodiscard]] const std::string& stream() const { return stream_; }
    [[nodiscard]] std::int64_t created_ns() const { return created_ns_; }
    [[nodiscard]] std::uint64_t deleted() const { return deleted_; }  ///< messages within the stream
    [[nodiscard]] const std::vector<Mark>& marks() const { return marks_; }

    /// From now on it is this stream; the marks of another one go.
    void is_of(const std::string& stream, std::int64_t created_ns, std::uint64_t deleted);
    /// Marks that do not lie behind the newest are passed over. Keeps about two for each doubling of the distance.
    void note(const Mark& mark);
    /// The marks behind `position` are of messages that the stream has lost.
    void forget_behind(Position position);
    /// Events of these positions are sent again, by ids with `salt`: the stream may know the former ids although it has
    /// lost the messages.
    void send_again(Position first, Position last, std::uint64_t salt);
    /// Another process uses this one's epoch: from `first` on, `salt` takes its place.
    void leave_epoch(Position first, std::uint64_t salt);
    /// The process that used the epoch has ended; the spool's events went up to `last`.
    void restarted(Position last);
    void forget_up_to(Position published);  ///< ids of events that are published

    [[nodiscard]] bool is_own_epoch(std::uint64_t epoch) const;  ///< that took the place of another
    /// Gives the message the id, and the epoch, that it is to have.
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
    std::vector<Renaming> renamings_;  // the latest counts
};

}  // namespace holdfast
