#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "nats/nats_link.h"
#include "spool/spool.h"

namespace holdfast {

struct ForwarderOptions {
    std::string stream = "holdfast";  ///< JetStream's; made if it is missing, checked if it is there
    std::string prefix = "holdfast";  ///< of the subjects
    unsigned replicas = 0;            ///< of a stream that it creates; 0: 3 in a cluster, else 1
    std::size_t batch = 1;            ///< events per message; 1: each event has its own message and subject
    std::size_t window = 1024;        ///< limit of unacknowledged messages
    std::chrono::milliseconds ack_patience{5'000};             ///< wait for an acknowledgement before it goes back
    std::string group = "nats";                                ///< the spool's, where its position is kept: required
    std::function<void(const std::string& error)> on_trouble;  ///< called once when publishing begins to fail
    std::function<void()> on_recovered;
    /// Called whenever publishing starts over a new connection.
    std::function<void(const std::string& server, const std::string& guarantee)> on_ready;
    /// Called if NATS rejects an event, which was replaced by a dead letter, or left out; the spool keeps it.
    std::function<void(const std::string& what)> on_dead_letter;
    /// Called if the stream lost acknowledged events. The spool's copies are published again.
    std::function<void(const std::string& what)> on_loss;
    /// Called once when another process publishes under this spool's id.
    std::function<void(const std::string& what)> on_rival;
    std::function<void(const std::string& warning)> on_warning;  ///< called once for each costly limit of the stream
    std::size_t largest_event = 0;                               ///< maximum bytes of an event; 0: unknown
    /// Called with the max_payload of each connected server that accepts less than `largest_event`.
    std::function<void(std::size_t max_payload)> on_small_payload;
    std::function<void(const MissingRange&)> on_skipped;  ///< no longer in the spool; all callbacks run on its thread
};

struct ForwarderStatus {
    Position published = 0;           ///< JetStream has acknowledged everything up to here
    std::uint64_t lag_events = 0;     ///< events in the spool beyond it
    std::chrono::milliseconds lag{};  ///< age of the oldest of them
    std::uint64_t retries = 0;        ///< times that it went back and sent again
    std::uint64_t reconnects = 0;
    std::uint64_t dead_letters = 0;  ///< events that NATS rejects in their original form
    std::string dead_letter;         ///< the latest, and why; empty a while later
    std::uint64_t duplicates = 0;    ///< messages that JetStream reported as duplicates
    /// Of those, messages that had not been sent before. They were sent again under another id.
    std::uint64_t false_duplicates = 0;
    std::uint64_t foreign_acks = 0;  ///< answers of other streams, or of none: ignored
    std::uint64_t losses = 0;        ///< times that the stream lost acknowledged events
    std::string loss;                ///< the latest loss; empty a while later
    std::string rival;               ///< another publisher under this spool's id; empty a while after it was seen
    std::string warning;             ///< costs of the stream's limits; empty: none
    bool connected = false;
    std::string server;     ///< URL in use
    std::string guarantee;  ///< what an acknowledgement survives, as a sentence
    std::string error;      ///< empty while it publishes
};

/// Store and forward: publishes a spool's events to JetStream in order, with a window of unacknowledged messages. After
/// a failure it goes back to the first missing one. Owns a thread. Ends with stop(), which the destructor calls;
/// unpublished events stay in the spool.
class Forwarder {
public:
    /// Starts a forwarder. `link` must be its own and `fresh`: on a resumed connection older messages could overtake
    /// repeated ones.
    [[nodiscard]] static std::unique_ptr<Forwarder> start(Spool& spool, NatsLink& link, ForwarderOptions options);
    virtual ~Forwarder() = default;

    [[nodiscard]] virtual ForwarderStatus status() const = 0;
    /// Publishes the rest of the spool, at most for `patience` and while connected, then ends.
    virtual void stop(std::chrono::milliseconds patience) = 0;
    virtual void give_up() = 0;  ///< any thread: a current or later stop() does not wait
};

}  // namespace holdfast
