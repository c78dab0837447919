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
    std::string stream = "holdfast";               ///< in JetStream; created if it is missing, else checked
    std::string prefix = "holdfast";               ///< of the subjects
    unsigned replicas = 0;                         ///< of a stream that it creates; 0: 3 in a cluster, else 1
    std::size_t batch = 1;                         ///< events per message; 1: each event has its own message and
                                                   ///< subject
    bool bad_items = false;                        ///< the stream has a subject for their events
    std::size_t window = 1024;                     ///< messages that may be unacknowledged
    std::chrono::milliseconds ack_timeout{5'000};  ///< timeout of an acknowledgement: then all is published again
    std::string group = "nats";                    ///< group of the spool that stores the position: required
    std::function<void(const std::string& error)> on_trouble;  ///< called once when publishing begins to fail
    std::function<void()> on_recovered;
    /// Called whenever publishing begins over a new connection.
    std::function<void(const std::string& server, const std::string& guarantee)> on_ready;
    /// Called when NATS rejected an event. A dead letter replaces it, or nothing; the event stays in the spool.
    std::function<void(const std::string& what)> on_dead_letter;
    /// Called when the stream has lost what it acknowledged. Events that the spool still has are published again.
    std::function<void(const std::string& what)> on_loss;
    /// Called once when another process publishes under this spool's id.
    std::function<void(const std::string& what)> on_rival;
    std::function<void(const std::string& warning)> on_warning;  ///< called once for each cost of the stream's limits
    std::size_t largest_event = 0;                               ///< maximum bytes of an event; 0: unknown
    /// Called whenever a server accepts less than `largest_event`, with its max_payload.
    std::function<void(std::size_t max_payload)> on_small_payload;
    std::function<void(const MissingRange&)> on_skipped;  ///< called for events that the spool has lost; all callbacks
                                                          ///< on its thread
};

struct ForwarderStatus {
    Position published = 0;           ///< JetStream has acknowledged everything up to here
    std::uint64_t lag_events = 0;     ///< in the spool beyond that
    std::chrono::milliseconds lag{};  ///< age of the oldest of those
    std::uint64_t retries = 0;        ///< times that it published again
    std::uint64_t reconnects = 0;
    std::uint64_t dead_letters = 0;  ///< events that NATS rejects
    std::string dead_letter;         ///< the latest of them and its cause; empty after a while
    std::uint64_t duplicates = 0;    ///< messages that JetStream already had
    /// Those among them that had not been sent before, and were sent again under another id.
    std::uint64_t false_duplicates = 0;
    std::uint64_t foreign_acks = 0;  ///< answers of other streams, or of no stream: ignored
    std::uint64_t losses = 0;        ///< times that the stream had lost acknowledged messages
    std::string loss;                ///< the latest of them; empty after a while
    std::string rival;               ///< the other process that publishes under this spool's id; empty after a while
    std::string warning;             ///< cost of the stream's limits; empty: none
    bool connected = false;
    std::string server;  ///< URL in use, without a password
    std::string stream;
    std::string guarantee;  ///< what an acknowledgement survives, in a sentence
    std::string error;      ///< empty while publishing works
};

}  // namespace holdfast
