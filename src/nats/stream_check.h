#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "nats/nats_link.h"
#include "nats/stored_message.h"
#include "nats/stream_loss.h"
#include "nats/stream_memo.h"
#include "nats/stream_setup.h"

namespace holdfast {

/// Sets the stream up and compares it with what is remembered of it, at each connection and every few seconds. Owns
/// what is remembered. One thread, which waits for the server.
class StreamCheck {
public:
    static constexpr std::chrono::seconds interval{5};  ///< between two looks at a stream that works

    StreamCheck(NatsLink& link, StreamNeeds needs, std::string spool_id)
        : link_(link), needs_(std::move(needs)), spool_id_(std::move(spool_id)) {}

    /// An event of this spool that the stream holds.
    struct Found {
        Position position = 0;
        std::uint64_t epoch = 0;
    };
    struct Finding {
        StreamFacts facts;
        std::optional<StreamLoss> loss;
        bool is_settled = true;       ///< false: look again before anything is published
        std::optional<Found> newest;  ///< behind the newest mark, of this spool
        std::string cannot_read;      ///< why messages cannot be compared; empty if they can
    };

    /// Looks at the stream over a new connection, and makes the stream if it is missing. `now` is by the clock of the
    /// marks. Errors: as set_up_stream.
    [[nodiscard]] Result<Finding> set_up(const NatsLink::Lease& lease, WallTime now);
    /// Looks at the stream again. Returns nothing if it is not time yet, or if the server does not answer. Errors: what
    /// is wrong with it now.
    [[nodiscard]] std::optional<Result<Finding>> look_again(const NatsLink::Lease& lease, WallTime now);
    /// A sequence went back: the next look_again() looks, at all marks.
    void hurry() {
        looked_at_ = {};
        suspects_ = true;
    }

    [[nodiscard]] StreamMemo& memo() { return memo_; }
    /// Takes note that the loss has been dealt with: the stream is as it was found.
    void accept(const StreamFacts& facts);

private:
    using Steady = std::chrono::steady_clock;
    [[nodiscard]] Finding compare(const NatsLink::Lease& lease, StreamFacts facts, WallTime now,
                                  std::uint64_t most_behind);
    [[nodiscard]] bool is_unreadable(const NatsLink::Lease& lease, const StoredMessage& message);
    [[nodiscard]] Stored look_up(const NatsLink::Lease& lease, const StreamMemo::Mark& mark);
    [[nodiscard]] std::optional<Found> find_newest(const NatsLink::Lease& lease, const StreamFacts& facts,
                                                   std::uint64_t most);
    [[nodiscard]] bool is_settled(const StreamFacts& facts, bool has_loss);

    NatsLink& link_;
    const StreamNeeds needs_;
    const std::string spool_id_;
    StreamMemo memo_;
    Steady::time_point looked_at_{};
    bool suspects_ = false;
    std::optional<Steady::time_point> suspected_since_;
    std::uint64_t unreadable_lease_ = 0;  // over that connection messages cannot be read
    std::string cannot_read_;
};

}  // namespace holdfast
