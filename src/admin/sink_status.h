#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "nats/forwarder_options.h"
#include "sink/sink.h"
#include "spool/spool.h"

namespace holdfast {

/// The state of the sink in the admin API.
struct SinkStatus {
    /// A group of the spool and its position.
    struct GroupPart {
        std::string name;
        std::uint64_t position = 0;
        std::uint64_t lag_events = 0;  ///< newer than the position
        bool required = false;         ///< retention waits for it
    };
    /// Sessions of devices that number their items.
    struct SessionsPart {
        std::uint64_t authenticated = 0;
        std::uint64_t unauthenticated = 0;
        std::uint64_t most = 0;                   ///< limit of both kinds
        std::uint64_t evicted_authenticated = 0;  ///< since start, by the limit
        std::uint64_t evicted_unauthenticated = 0;
        std::uint64_t replaced = 0;  ///< since start, by a newer session of the same id
    };
    struct SpoolPart {
        std::string id;
        std::string path = {};    ///< absolute path of the directory
        std::uint64_t first = 0;  ///< position of the oldest event
        std::uint64_t last = 0;   ///< position of the newest durable event
        std::uint64_t waiting_bytes = 0;
        std::uint64_t commits = 0;
        std::uint64_t file_bytes = 0;
        std::uint64_t quarantined_rows = 0;
        std::uint64_t quarantined_events = 0;
        std::string read_error = {};     ///< reason why events cannot be read; empty while they can
        std::uint64_t read_errors = 0;   ///< failed reads since start
        std::uint64_t gateway_lost = 0;  ///< `closed` events written at the start for connections of earlier processes
        std::chrono::milliseconds oldest{};  ///< age of the oldest event
        SessionsPart sessions;
        std::vector<GroupPart> groups;
    };

    /// The NATS server to which the spool's events are published.
    struct NatsPart {
        std::string server;  ///< current or last server, without a password
        std::string stream;
        bool connected = false;
        std::uint64_t published = 0;      ///< JetStream has every event up to this position
        std::uint64_t lag_events = 0;     ///< events after it
        std::chrono::milliseconds lag{};  ///< age of the oldest of those
        std::uint64_t reconnects = 0;
        std::uint64_t retries = 0;           ///< times that unacknowledged events were sent again
        std::uint64_t duplicates = 0;        ///< messages that JetStream had already
        std::uint64_t dead_letters = 0;      ///< events that it rejects for good
        std::string dead_letter = {};        ///< latest dead letter, for some minutes
        std::uint64_t false_duplicates = 0;  ///< messages in `duplicates` that had never been sent
        std::uint64_t foreign_acks = 0;      ///< acknowledgements from no stream or another one, ignored
        std::uint64_t losses = 0;            ///< times that the stream lost acknowledged events
        std::string loss = {};               ///< latest loss, for some minutes
        std::string twin = {};               ///< other publisher under this spool's id, for some minutes
        std::string warning = {};            ///< effect of the stream's limits; empty: none
        std::string guarantee;               ///< faults that its acknowledgement survives
        std::string error;                   ///< empty while it publishes
    };

    std::string type;              ///< "stdout", "file", "none", "spool", "nats"
    std::uint64_t events = 0;      ///< accepted since start
    std::uint64_t lag_events = 0;  ///< accepted but not yet written
    std::uint64_t bytes = 0;       ///< written
    bool full = false;             ///< accepts no events for now: devices wait
    std::string error = {};        ///< reason why it cannot write; empty while it can
    std::optional<SpoolPart> spool = {};
    std::optional<NatsPart> nats = {};
};

/// Returns the state of the sink. Called by several admin threads at once.
using SinkStatusProvider = std::function<SinkStatus()>;

}  // namespace holdfast
