#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

/// What the admin API says about the sink.
struct SinkStatus {
    /// Who reads events from a spool, and how far that has come.
    struct GroupPart {
        std::string name;
        std::uint64_t position = 0;
        std::uint64_t lag_events = 0;  ///< newer than that
        bool required = false;         ///< retention waits for it
    };
    /// Sessions of devices that number their items.
    struct SessionsPart {
        std::uint64_t authenticated = 0;
        std::uint64_t unauthenticated = 0;
        std::uint64_t most = 0;                   ///< of both kinds
        std::uint64_t evicted_authenticated = 0;  ///< since start, because there were more
        std::uint64_t evicted_unauthenticated = 0;
        std::uint64_t replaced = 0;  ///< since start, by a newer session of the same id
    };
    struct SpoolPart {
        std::string id;
        std::string path = {};    ///< of its directory, absolute
        std::uint64_t first = 0;  ///< position of the oldest event
        std::uint64_t last = 0;   ///< of the newest durable one
        std::uint64_t waiting_bytes = 0;
        std::uint64_t commits = 0;
        std::uint64_t file_bytes = 0;
        std::uint64_t quarantined_rows = 0;
        std::uint64_t quarantined_events = 0;
        std::string read_error = {};     ///< why events cannot be read; empty while they can
        std::uint64_t read_errors = 0;   ///< failed reads since start
        std::uint64_t gateway_lost = 0;  ///< `closed` events written at the start for connections of earlier processes
        std::chrono::milliseconds oldest{};  ///< age of the oldest event
        SessionsPart sessions;
        std::vector<GroupPart> groups;
    };

    /// Where the events of a spool go on to.
    struct NatsPart {
        std::string server;  ///< in use, or the last that was; without a password
        std::string stream;
        bool connected = false;
        std::uint64_t published = 0;      ///< JetStream has everything up to this position
        std::uint64_t lag_events = 0;     ///< beyond it
        std::chrono::milliseconds lag{};  ///< age of the oldest of those
        std::uint64_t reconnects = 0;
        std::uint64_t retries = 0;           ///< times that it sent again what had not been acknowledged
        std::uint64_t duplicates = 0;        ///< messages that JetStream had already
        std::uint64_t dead_letters = 0;      ///< events that it does not take as they are
        std::string dead_letter = {};        ///< the latest of them, for some minutes
        std::uint64_t false_duplicates = 0;  ///< of `duplicates`, messages that had never been sent
        std::uint64_t foreign_acks = 0;      ///< answers of other streams or of none: not believed
        std::uint64_t losses = 0;            ///< times that the stream had lost what it had acknowledged
        std::string loss = {};               ///< the latest, for some minutes
        std::string twin = {};               ///< who else publishes under this spool's id, for some minutes
        std::string warning = {};            ///< what the stream's limits cost; empty: nothing
        std::string guarantee;               ///< what its acknowledgement survives
        std::string error;                   ///< empty while it publishes
    };

    std::string type;              ///< "stdout", "file", "none", "spool", "nats"
    std::uint64_t events = 0;      ///< taken over since start
    std::uint64_t lag_events = 0;  ///< of those, not written yet
    std::uint64_t bytes = 0;       ///< written
    bool full = false;             ///< it takes no more for now: devices wait
    std::string error = {};        ///< why it cannot write; empty while it can
    std::optional<SpoolPart> spool = {};
    std::optional<NatsPart> nats = {};
};

/// Called on admin threads, several at once.
using SinkStatusProvider = std::function<SinkStatus()>;

}  // namespace holdfast
