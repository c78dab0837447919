#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/counters.h>
#include <holdfast/drain.h>
#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/liveness.h>
#include <holdfast/reason.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

// Questions about a server and its connections, and the answers.

enum class ConnectionSort : std::uint8_t { age, idle, items, bad_items, bytes_in, bytes_out, peer, key };
[[nodiscard]] std::string_view to_string(ConnectionSort sort) noexcept;
[[nodiscard]] std::optional<ConnectionSort> parse_connection_sort(std::string_view word) noexcept;

/// Selects, sorts and pages connections.
struct ConnectionQuery {
    std::optional<Prefix> peer = {};
    std::optional<std::string> key = {};  ///< the key of its latest item, compared exactly
    std::optional<std::string> listener = {};
    std::optional<std::string> id = {};         ///< the device's id; with a final '*': the beginning of it
    std::optional<bool> suspect = {};           ///< only suspects, or only others
    std::optional<EventTime> since = {};        ///< connected at this time or later
    std::optional<EventTime> until = {};        ///< connected at this time or earlier
    ConnectionSort sort = ConnectionSort::age;  ///< age: oldest first; idle: longest idle first; counts: largest first
    bool reverse = false;
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct ConnectionRow {
    ConnectionId conn = {};
    std::string listener = {};
    Endpoint peer = {};
    std::string key = {};      ///< of its latest item; empty before the first
    std::string id = {};       ///< of the device; empty if unidentified
    std::string session = {};  ///< of its numbering; empty if unnumbered
    EventTime connected_at = {};
    std::chrono::milliseconds age{};
    std::chrono::milliseconds since_item{};  ///< since its latest item, or since the connect
    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    LivenessOf liveness = LivenessOf::device;
    bool authenticated = false;  ///< a certificate or a token has proved `id`
    /// When it became suspect: its prefix was probed on suspicion, and it has not answered since. Suspicion does not
    /// close it; its own liveness plan decides.
    std::optional<EventTime> suspect_since = {};
    std::array<std::uint64_t, bad_item_count> bad_items{};  ///< by BadItem
};

struct ConnectionPage {
    std::size_t total = 0;  ///< matches on all pages
    std::vector<ConnectionRow> rows = {};
};

/// One connection with the kernel's evidence, read at the query.
struct ConnectionDetail {
    ConnectionRow row = {};
    Evidence evidence = {};
    std::size_t unfinished_item_bytes = 0;
    std::size_t downlink_queue_bytes = 0;
    LivenessPlan plan = {};
    std::string tls_version = {};  ///< "TLSv1.3"; empty: it is plain
    std::string tls_cipher = {};
    bool tls_resumed = false;                        ///< with a session ticket
    std::optional<BadItemFacts> last_bad_item = {};  ///< empty: none
};

struct ProbeAnswer {
    ConnectionId conn = {};
    bool alive = false;
    std::chrono::milliseconds waited{};      ///< from the question to the verdict
    std::chrono::milliseconds last_heard{};  ///< at the verdict
    std::chrono::microseconds rtt{};
};

struct ProbeSummary {
    std::size_t asked = 0;
    std::size_t alive = 0;
    std::vector<ConnectionId> silent = {};
    std::chrono::milliseconds waited{};
};

/// Treatment of probed connections that do not answer.
enum class OnSilent : std::uint8_t {
    report,   ///< only list them: the kernel or the sweep ends them in time
    suspect,  ///< mark them, and probe them until they answer: ConnectionRow::suspect_since
};

/// Effect of a new configuration, one line per change.
struct ApplyReport {
    std::vector<std::string> applied = {};
    std::vector<std::string> needs_restart = {};  ///< differs, and was not applied
};

enum class SendOutcome : std::uint8_t {
    queued,
    no_such_connection,
    queue_full,   ///< the device does not read: nothing was sent
    unencodable,  ///< the listener's framing has no form for the message: nothing was sent
};

/// Progress of a downlink item within the given time.
enum class Delivery : std::uint8_t {
    absent,       ///< the connection does not exist
    queue_full,   ///< the device does not read: nothing was sent
    sent,         ///< given to the kernel, or queued for it
    acked,        ///< the device's kernel has acknowledged every byte
    unencodable,  ///< the listener's framing has no form for the message: nothing was sent
};
[[nodiscard]] std::string_view to_string(Delivery delivery) noexcept;

struct ClosedQuery {
    std::optional<CloseReason> reason = {};
    std::optional<Prefix> peer = {};
    std::optional<std::string> id = {};   ///< the device's id; with a final '*': the beginning of it
    std::optional<EventTime> since = {};  ///< closed at this time or later
    std::optional<EventTime> until = {};  ///< closed at this time or earlier
    std::size_t offset = 0;
    std::size_t limit = 100;
    std::optional<std::string> listener = {};
};

struct ClosedPage {
    std::size_t total = 0;  ///< matches on all pages
    std::vector<ClosedLife> lives = {};
};

/// One listener and what it counts since the start.
struct ListenerStatus : ListenerFigures<std::uint64_t, DurationHistogram> {
    std::string name = {};
    std::uint8_t number = 0;  ///< the same as long as it exists; after that another's
    bool removed = false;     ///< from the configuration; it stays here for two minutes, so that its end can be read
    Endpoint bound = {};      ///< with the port that the kernel chose
    std::optional<EventTime> tls_good_until = {};  ///< of the listener's certificate; empty without TLS
    std::optional<std::chrono::milliseconds> read_idle = {};
    LivenessPlan plan = {};  ///< its socket options as read back from the kernel
};

/// Durations of one reactor's turns since start. Long turns delay all its connections.
struct TurnStatus {
    std::chrono::microseconds longest{};      ///< including time without the processor
    std::chrono::microseconds longest_cpu{};  ///< the longest by CPU time of its thread
    std::uint64_t long_turns = 0;             ///< turns of 100 ms and more
};

/// The ids that ServerStatus::duplicates holds at once.
inline constexpr std::size_t max_duplicates = 64;

/// An id that several devices seem to share: its connections supersede each other so often that takeovers are delayed.
struct DuplicateDevice {
    std::string id = {};
    Endpoint holder = {};         ///< address of the connection that has the id
    Endpoint claimant = {};       ///< address of the latest claimant
    std::uint64_t takeovers = 0;  ///< since the first claim of the id
};

/// Connections that a server took over at its start: see ServerConfig::kept_state.
struct Takeover {
    std::uint64_t processes = 0;  ///< that have ended, the keeper's workers
    std::uint64_t kept = 0;
    std::uint64_t closed = 0;              ///< closed as `gateway_crashed`
    std::uint64_t resynchronized = 0;      ///< of those kept: a part of an item was lost
    std::vector<ConnectionId> cut = {};    ///< the first of those, at most 16 of each reactor
    std::chrono::milliseconds downtime{};  ///< from the end of the earlier process to the first turn, if it is known
};

struct ServerStatus : ReactorFigures<std::uint64_t> {
    std::chrono::milliseconds uptime{};
    EventTime started_at = {};
    unsigned reactors = 0;
    std::size_t max_connections = 0;
    std::size_t buffer_bytes = 0;        ///< that connections hold: unfinished items, downlink queues, TLS sessions
    std::size_t buffer_budget = 0;       ///< 0: no limit
    unsigned buffer_stage = 0;           ///< what is done about it: docs/reference/metrics.md, holdfast_buffer_stage
    std::uint64_t memory_exhausted = 0;  ///< times that an allocation failed and the budget was lowered
    bool draining = false;               ///< it stops
    bool out_of_service = false;  ///< all of it was drained, and that was not cancelled: balancers look elsewhere
    std::optional<DrainStatus> drain = {};         ///< the latest, if there was one
    std::optional<Takeover> takeover = {};         ///< nullopt: no earlier process left its state, or it is not done
    std::uint64_t events = 0;                      ///< given to handlers
    std::vector<DuplicateDevice> duplicates = {};  ///< of the last minute, the latest first; at most max_duplicates
    std::vector<TurnStatus> turns = {};            ///< by reactor
    std::vector<ListenerStatus> listeners = {};
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
