#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "forward/nats_link.h"
#include "spool/spool.h"

namespace holdfast {

struct ForwarderOptions {
    std::string stream = "holdfast";                ///< JetStream's; made if it is missing, checked if it is there
    std::string prefix = "holdfast";                ///< of the subjects
    unsigned replicas = 0;                          ///< of a stream that it makes; 0: 3 in a cluster, else 1
    std::size_t batch = 1;                          ///< events in a message; 1: each has its own, with its own subject
    std::size_t window = 1024;                      ///< messages that may be unacknowledged
    std::chrono::milliseconds ack_patience{5'000};  ///< without an acknowledgement it goes back then
    std::string group = "nats";                     ///< the spool's, where its position is kept: required
    std::function<void(const std::string& error)> on_trouble;  ///< once when publishing begins to fail
    std::function<void()> on_recovered;
    /// Called whenever publishing begins over a new connection.
    std::function<void(const std::string& server, const std::string& guarantee)> on_ready;
    /// Called when NATS rejected an event. A dead letter replaces it, or nothing; the event stays in the spool.
    std::function<void(const std::string& what)> on_dead_letter;
    /// Called when the stream has lost what it acknowledged. Events that the spool still has are published again.
    std::function<void(const std::string& what)> on_loss;
    /// Called once when another process publishes under this spool's id.
    std::function<void(const std::string& what)> on_rival;
    std::function<void(const std::string& warning)> on_warning;  ///< the stream's limits have a cost: once for each
    std::size_t largest_event = 0;                               ///< bytes that an event may have; 0: not known
    /// Called whenever a server accepts less than `largest_event`, with its max_payload.
    std::function<void(std::size_t max_payload)> on_small_payload;
    std::function<void(const MissingRange&)> on_skipped;  ///< not in the spool any more; all on its thread
};

struct ForwarderStatus {
    Position published = 0;           ///< everything up to here has been acknowledged by JetStream
    std::uint64_t lag_events = 0;     ///< in the spool beyond that
    std::chrono::milliseconds lag{};  ///< age of the oldest of those
    std::uint64_t retries = 0;        ///< times that it went back and sent again
    std::uint64_t reconnects = 0;
    std::uint64_t dead_letters = 0;  ///< events that NATS does not take as they are
    std::string dead_letter;         ///< the latest of them and why; empty a while after it
    std::uint64_t duplicates = 0;    ///< messages of which JetStream said that it had them
    /// Those among them that had not been sent before, and were sent again under another id.
    std::uint64_t false_duplicates = 0;
    std::uint64_t foreign_acks = 0;  ///< answers of other streams, or of no stream: not believed
    std::uint64_t losses = 0;        ///< times that the stream did not hold any more what it had acknowledged
    std::string loss;                ///< the latest of them; empty a while after it
    std::string rival;               ///< who else publishes under this spool's id; empty a while after it was seen
    std::string warning;             ///< what the stream's limits cost; empty: nothing
    bool connected = false;
    std::string server;  ///< URL in use, without a password
    std::string stream;
    std::string guarantee;  ///< what an acknowledgement survives, in a sentence
    std::string error;      ///< empty while it publishes
};

}  // namespace holdfast
