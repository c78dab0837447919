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

/// Encodes any text as one token of a NATS subject or a key of a key-value bucket. ASCII letters, digits, '-' and '_'
/// are unchanged; every other byte is '=' and two hexadecimal digits ("10.20.30.40" is "10=2E20=2E30=2E40"); an empty
/// text is "=". Pure.
[[nodiscard]] std::string to_token(std::string_view text);
/// Decodes a token; nullopt if to_token does not make it.
[[nodiscard]] std::optional<std::string> from_token(std::string_view token);

/// A message for JetStream: one event, or consecutive events of one epoch.
struct NatsMessage {
    std::string subject;
    std::string id;    ///< for Nats-Msg-Id: equal for the same events in the same bounds
    std::string body;  ///< one event without '\n', or NDJSON
    Position first = 0;
    Position last = 0;
    WallTime committed_at{};  ///< of the first event
    bool is_batch = false;
    std::uint64_t epoch = 0;                 ///< of its events; 0: none
    std::optional<bool> authenticated = {};  ///< of the event's device; nullopt: a batch, or an event without an id
    bool is_dead_letter = false;             ///< replaces an event that NATS rejects

    [[nodiscard]] std::uint64_t events() const { return last - first + 1; }
};

/// Makes messages of spooled events: subjects, ids, bounds. Pure except its parser's memory; one thread.
class MessageMaker {
public:
    /// Configures subjects and batches. With `max_events` 1 the subject is "PREFIX.LISTENER.EVENT.KEY", else
    /// "PREFIX.batch.SPOOL"; `max_bytes` ends a batch early.
    /// With `bad_items`, their events have a subject of their own.
    MessageMaker(std::string prefix, std::string spool_id, std::size_t max_events, std::size_t max_bytes,
                 bool bad_items = false);
    ~MessageMaker();

    /// Makes a message of the first of `events`, which must not be empty, and following ones that fit, none after
    /// `bound` (0: no bound).
    [[nodiscard]] NatsMessage make(std::span<const SpooledEvent> events, Position bound);

    /// Returns the replacement of an event that NATS rejects: a short `dead_letter` event with its position, size and
    /// connection, on the event's subject.
    [[nodiscard]] NatsMessage dead_letter(const SpooledEvent& event, std::string_view why);
    /// Limits the bytes of later batches.
    void limit_bytes(std::size_t max_bytes) { max_bytes_ = max_bytes; }

    /// Returns the subject of one event; an unreadable one counts as an item without a key. Sets `authenticated` from
    /// the event's field, if present.
    [[nodiscard]] std::string subject_of(const SpooledEvent& event, std::optional<bool>& authenticated);

private:
    struct Parser;

    const std::string prefix_;
    const std::string spool_id_;
    const std::size_t max_events_;
    std::size_t max_bytes_;
    const bool bad_items_;
    const std::unique_ptr<Parser> parser_;
};

/// Combines the spool, the epoch if there is one, and the positions: equal for the same events in the same bounds.
[[nodiscard]] std::string message_id(const std::string& spool_id, const NatsMessage& message);

/// Returns e.g. "00112233aabbccdd".
[[nodiscard]] std::string epoch_text(std::uint64_t epoch);

/// Returns to_token(text), cut and marked with its hash beyond 256 bytes: a server accepts 4,096 bytes of subject.
[[nodiscard]] std::string subject_token(std::string_view text);

}  // namespace holdfast
