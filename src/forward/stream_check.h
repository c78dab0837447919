#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "forward/nats_link.h"
#include "forward/stream_loss.h"
#include "forward/stream_memo.h"
#include "forward/stream_setup.h"
#include "spool/spool.h"

namespace holdfast {

/// Message of a stream. The spool is absent if the message does not exist, or if no gateway wrote it.
struct StoredMessage {
    std::string spool;
    std::uint64_t epoch = 0;
    Position first = 0;
    Position last = 0;
    bool is_unreadable = false;  ///< the server does not answer: see `why`
    std::string why;
};

/// Reads the message with that sequence. Waits for the server, at most a second.
[[nodiscard]] StoredMessage read_stored(const NatsLink::Lease& lease, const std::string& stream,
                                        std::uint64_t sequence);

/// Sets up the stream and compares it with the memo, at each connect and every few seconds. Owns the memo. One thread,
/// which waits for the server.
class StreamCheck {
public:
    static constexpr std::chrono::seconds interval{5};  ///< between two checks of a working stream

    StreamCheck(NatsLink& link, StreamNeeds needs, std::string spool_id)
        : link_(link), needs_(std::move(needs)), spool_id_(std::move(spool_id)) {}

    /// An event of this spool in the stream.
    struct Found {
        Position position = 0;
        std::uint64_t epoch = 0;
    };
    struct Finding {
        StreamFacts facts;
        std::optional<StreamLoss> loss;
        bool is_settled = true;       ///< false: check again before anything is published
        std::optional<Found> newest;  ///< of this spool, after the newest mark
        std::string cannot_read;      ///< why messages cannot be compared; empty if they can
    };

    /// Checks the stream over a new connection, and creates it if it is missing. `now` is on the clock of the marks.
    /// Errors as set_up_stream().
    [[nodiscard]] Result<Finding> set_up(const NatsLink::Lease& lease, WallTime now);
    /// Checks the stream again. Returns nullopt if it is not time yet, or if the server does not answer. Errors: the
    /// stream is unsuitable now.
    [[nodiscard]] std::optional<Result<Finding>> check_again(const NatsLink::Lease& lease, WallTime now);
    /// Makes the next check_again() check all marks, since a sequence went back.
    void hurry() {
        looked_at_ = {};
        suspects_ = true;
    }

    [[nodiscard]] StreamMemo& memo() { return memo_; }
    /// Records the stream's state after a loss was handled.
    void accept(const StreamFacts& facts);

private:
    using Steady = std::chrono::steady_clock;
    [[nodiscard]] Finding compare(const NatsLink::Lease& lease, StreamFacts facts, WallTime now,
                                  std::uint64_t max_behind);
    [[nodiscard]] bool is_unreadable(const NatsLink::Lease& lease, const StoredMessage& message);
    [[nodiscard]] Stored look_up(const NatsLink::Lease& lease, const StreamMemo::Mark& mark);
    [[nodiscard]] std::optional<Found> find_newest(const NatsLink::Lease& lease, const StreamFacts& facts,
                                                   std::uint64_t max);
    [[nodiscard]] bool is_settled(const StreamFacts& facts, bool has_loss);

    NatsLink& link_;
    const StreamNeeds needs_;
    const std::string spool_id_;
    StreamMemo memo_;
    Steady::time_point looked_at_{};
    bool suspects_ = false;
    std::optional<Steady::time_point> suspected_since_;
    std::uint64_t unreadable_lease_ = 0;  // messages are unreadable over that connection
    std::string cannot_read_;
};

}  // namespace holdfast
