#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "spool/spool.h"

namespace holdfast {

/// What goes to JetStream: one event, or several of one epoch that follow each other without a gap.
struct NatsMessage {
    std::string subject;
    std::string id;    ///< for Nats-Msg-Id: the same events in the same bounds have the same
    std::string body;  ///< without a '\n' if it is one event, else NDJSON
    Position first = 0;
    Position last = 0;
    WallTime committed_at{};  ///< of the first
    bool is_batch = false;
    std::uint64_t epoch = 0;                 ///< of its events; 0: none
    std::optional<bool> authenticated = {};  ///< of the one event's device; nullopt: a batch, or an event without an id
    bool is_dead_letter = false;             ///< it stands for an event that NATS does not take

    [[nodiscard]] std::uint64_t events() const { return last - first + 1; }
};

/// Makes messages of spooled events: subjects, ids, bounds. Pure but for its parser's memory; one thread.
class MessageMaker {
public:
    /// `most_events` 1: "PREFIX.LISTENER.EVENT.KEY"; more: "PREFIX.batch.SPOOL", ended early by `most_bytes`.
    MessageMaker(std::string prefix, std::string spool_id, std::size_t most_events, std::size_t most_bytes);
    ~MessageMaker();

    /// Of the first of `events`, which are at least one, and as many behind it as go with it, but none behind `bound`
    /// (0: no bound).
    [[nodiscard]] NatsMessage make(std::span<const SpooledEvent> events, Position bound);

    /// Returns the message in place of an event that NATS does not take: a short `dead_letter` event with its position,
    /// size and connection, on the event's subject.
    [[nodiscard]] NatsMessage dead_letter(const SpooledEvent& event, std::string_view why);
    /// Batches end earlier from now on.
    void limit_bytes(std::size_t most_bytes) { most_bytes_ = most_bytes; }

    /// The subject of one event. One that cannot be read is taken for an item without a key. Sets `authenticated`
    /// from the event's field, if it has it.
    [[nodiscard]] std::string subject_of(const SpooledEvent& event, std::optional<bool>& authenticated);

private:
    struct Parser;

    const std::string prefix_;
    const std::string spool_id_;
    const std::size_t most_events_;
    std::size_t most_bytes_;
    const std::unique_ptr<Parser> parser_;
};

/// The spool, the epoch if there is one, and the positions: the same events in the same bounds have the same.
[[nodiscard]] std::string message_id(const std::string& spool_id, const NatsMessage& message);

/// "00112233aabbccdd"
[[nodiscard]] std::string epoch_text(std::uint64_t epoch);

/// to_token, but what would be longer than 256 is cut and marked with its hash: a server takes 4,096 bytes of subject.
[[nodiscard]] std::string subject_token(std::string_view text);

}  // namespace holdfast
