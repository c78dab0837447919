#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/counters.h>
#include <holdfast/drain.h>
#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/liveness.h>
#include <holdfast/reason.h>
#include <holdfast/result.h>
#include <holdfast/visibility.h>
#include <holdfast/watch.h>

namespace holdfast HOLDFAST_PUBLIC {

enum class ConnectionSort : std::uint8_t { age, idle, items, bytes_in, bytes_out, peer, key };
[[nodiscard]] std::string_view to_string(ConnectionSort sort) noexcept;
[[nodiscard]] std::optional<ConnectionSort> parse_connection_sort(std::string_view word) noexcept;

/// Selects, sorts and pages connections.
struct ConnectionQuery {
    std::optional<Prefix> peer;
    std::optional<std::string> key;  ///< the key of its latest item, compared exactly
    std::optional<std::string> listener;
    std::optional<std::string> id = {};         ///< the device's id, compared exactly
    std::optional<bool> suspect = {};           ///< only suspects, or only others
    ConnectionSort sort = ConnectionSort::age;  ///< age: oldest first; idle: longest idle first; counts: largest first
    bool reverse = false;
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct ConnectionRow {
    ConnectionId conn;
    std::string listener;
    Endpoint peer;
    std::string key;           ///< of its latest item; empty before the first
    std::string id = {};       ///< of the device; empty if unidentified
    std::string session = {};  ///< of its numbering; empty if unnumbered
    EventTime connected_at;
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
};

struct ConnectionPage {
    std::size_t total = 0;  ///< matches on all pages
    std::vector<ConnectionRow> rows;
};

/// One connection with the kernel's evidence, read at the query.
struct ConnectionDetail {
    ConnectionRow row;
    Evidence evidence;
    std::size_t unfinished_item_bytes = 0;
    std::size_t downlink_queue_bytes = 0;
    LivenessPlan plan;
    std::string tls_version = {};  ///< "TLSv1.3"; empty: it is plain
    std::string tls_cipher = {};
    bool tls_resumed = false;  ///< with a session ticket
};

struct ProbeAnswer {
    ConnectionId conn;
    bool alive = false;
    std::chrono::milliseconds waited{};      ///< from the question to the verdict
    std::chrono::milliseconds last_heard{};  ///< at the verdict
    std::chrono::microseconds rtt{};
};

struct ProbeSummary {
    std::size_t asked = 0;
    std::size_t alive = 0;
    std::vector<ConnectionId> silent;
    std::chrono::milliseconds waited{};
};

/// What to do with probed connections that do not answer.
enum class OnSilent : std::uint8_t {
    report,   ///< only list them: the kernel or the sweep ends them in time
    suspect,  ///< mark them, and probe them until they answer: ConnectionRow::suspect_since
};

/// Effect of a new configuration, one line per change.
struct ApplyReport {
    std::vector<std::string> applied;
    std::vector<std::string> needs_restart;  ///< differs, and was not applied
};

enum class SendOutcome : std::uint8_t { queued, no_such_connection, queue_full };

/// Progress of a downlink item within the given time.
enum class Delivery : std::uint8_t {
    absent,      ///< the connection does not exist
    queue_full,  ///< the device does not read: nothing was sent
    sent,        ///< given to the kernel, or queued for it
    acked,       ///< the device's kernel has acknowledged every byte
};
[[nodiscard]] std::string_view to_string(Delivery delivery) noexcept;

struct ClosedQuery {
    std::optional<CloseReason> reason;
    std::optional<Prefix> peer;
    std::optional<std::string> id = {};  ///< the device's id, compared exactly
    std::size_t offset = 0;
    std::size_t limit = 100;
};

/// One listener and what it counts since the start.
struct ListenerStatus : ListenerFigures<std::uint64_t, DurationHistogram> {
    std::string name;
    std::uint8_t number = 0;  ///< the same as long as it exists; after that another's
    bool removed = false;     ///< from the configuration; it stays here for two minutes, so that its end can be read
    Endpoint bound;           ///< with the port that the kernel chose
    std::optional<EventTime> tls_good_until;  ///< of the listener's certificate; empty without TLS
    LivenessPlan plan;                        ///< its socket options as read back from the kernel
};

/// Durations of one reactor's turns since start. Long turns delay all its connections.
struct TurnStatus {
    std::chrono::microseconds longest{};      ///< including time without the processor
    std::chrono::microseconds longest_cpu{};  ///< the longest by CPU time of its thread
    std::uint64_t long_turns = 0;             ///< turns of 100 ms and more
};

/// An id that several devices seem to share: its connections supersede each other so often that takeovers are delayed.
struct DuplicateDevice {
    std::string id;
    Endpoint holder;              ///< address of the connection that has the id
    Endpoint claimant;            ///< address of the latest claimant
    std::uint64_t takeovers = 0;  ///< since the first claim of the id
};

struct ServerStatus : ReactorFigures<std::uint64_t> {
    std::chrono::milliseconds uptime{};
    EventTime started_at;
    unsigned reactors = 0;
    std::size_t max_connections = 0;
    std::size_t buffer_bytes = 0;        ///< that connections hold: unfinished items, downlink queues, TLS sessions
    std::size_t buffer_budget = 0;       ///< 0: no limit
    unsigned buffer_stage = 0;           ///< what is done about it: docs/reference/metrics.md, holdfast_buffer_stage
    std::uint64_t memory_exhausted = 0;  ///< times that the system gave no more memory, and the budget was lowered
    bool draining = false;               ///< it stops
    bool out_of_service = false;  ///< all of it was drained, and that was not cancelled: balancers look elsewhere
    std::optional<DrainStatus> drain = {};         ///< the latest, if there was one
    std::uint64_t events = 0;                      ///< given to handlers
    std::vector<DuplicateDevice> duplicates = {};  ///< of the last minute, the latest first; at most 64
    std::vector<TurnStatus> turns = {};            ///< by reactor
    std::vector<ListenerStatus> listeners;
};

/// The gateway: reactors that hold connections, and queries about them. Every member function may be called from any
/// thread except an EventHandler's. Functions that query reactors block until they have answered (a turn or two; a
/// probe up to its timeout). The destructor stops at once.
class Server {
public:
    /// Creates the handler of reactor number `reactor` (from 0). Called in start(), one reactor after another.
    using HandlerFactory = std::function<std::unique_ptr<EventHandler>(unsigned reactor)>;

    /// Checks the configuration, binds, proves on an accepted loopback socket that the kernel keeps the plan, and
    /// starts the reactors. On an error nothing remains.
    [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerConfig config, const HandlerFactory& make_handler);

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Stops accepting, delivers received bytes, closes every connection as `shutdown`. Returns at once.
    void drain();
    /// Waits until every reactor has ended after drain() or stop_now().
    void wait();
    /// Ends at once; connections still get their `closed` events. Returns at once.
    void stop_now();

    [[nodiscard]] ServerStatus status() const;
    /// Lowers the buffer budget to the memory held now, so that connections are shed, until apply() sets another. For a
    /// new-handler, or another place that learns of exhausted memory. Neither allocates nor waits.
    void memory_exhausted() noexcept;
    /// Returns how long the most silent reactor has owed the answer to an earlier call; pings the others. Never waits:
    /// call it about once a second to feed a watchdog.
    [[nodiscard]] std::chrono::milliseconds silence() const;
    [[nodiscard]] ConnectionPage list(const ConnectionQuery& query) const;
    [[nodiscard]] std::optional<ConnectionDetail> show(ConnectionId id) const;
    [[nodiscard]] std::vector<ClosedLife> closed(const ClosedQuery& query) const;

    /// Probes the peer's kernel with a keep-alive probe. A peer heard from within the last second is alive without one.
    [[nodiscard]] std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout);
    /// Probes all connections with a peer in `peer` (nullopt: all) and of the listener number `listener` (nullopt:
    /// any), paced. OnSilent::suspect leaves out current suspects.
    [[nodiscard]] ProbeSummary probe_all(const std::optional<Prefix>& peer, std::chrono::milliseconds timeout,
                                         OnSilent on_silent = OnSilent::report,
                                         std::optional<std::uint8_t> listener = std::nullopt);

    /// Returns the reactors' observations since the last call, for a watch over the population. One caller.
    [[nodiscard]] Observations observe();
    /// Returns the peer and age of every connection.
    [[nodiscard]] std::vector<CensusEntry> census() const;
    /// Returns addresses of up to `most` connections of each reactor, evenly spread.
    [[nodiscard]] std::vector<IpAddress> sample_peers(std::size_t max) const;
    /// Compares the registry with the kernel's sockets of the listeners (P4), paced. Differences are compared a second
    /// time, so that a connection that just began or ended is no defect. Takes a few 100 ms.
    [[nodiscard]] Reconciliation reconcile();

    /// Applies a new configuration: adds, removes (their connections end as `drained`) and changes listeners by name,
    /// for living connections, too. Reports what needs a restart. On an error nothing has changed.
    [[nodiscard]] Result<ApplyReport> apply(ServerConfig config);

    /// Starts a drain of living connections and replaces the current one. Returns at once; ServerStatus::drain has the
    /// progress. Errors: the order is out of bounds, the listener does not exist, the gateway stops.
    [[nodiscard]] Result<DrainStatus> drain_over(const DrainOrder& order);
    /// Cancels the drain: the remaining connections stay, and the gateway is in service again. Returns nullopt if there
    /// was no drain.
    std::optional<DrainStatus> cancel_drain();

    /// Returns the living connection of a device. Never waits.
    [[nodiscard]] std::optional<ConnectionId> find(std::string_view device) const;

    /// Records an id that connections of several gateways take from each other: see ServerStatus::duplicates.
    void note_duplicate(const DuplicateDevice& duplicate);

    /// Closes the connection as `kicked`, or for another reason of kind policy; `detail` is static text for its
    /// `closed` event. Returns false if the connection does not exist.
    bool close(ConnectionId id, CloseReason reason = CloseReason::kicked, std::string_view detail = {});
    /// Closes all connections with a peer in `peer`. Returns their number.
    std::size_t close_all(const Prefix& peer);

    /// Sends one JSON object, which the caller has validated, in the listener's framing.
    [[nodiscard]] SendOutcome send(ConnectionId id, std::string_view json_object);
    /// Sends it, and waits up to `patience` for the device's kernel to acknowledge it.
    [[nodiscard]] Delivery deliver(ConnectionId id, std::string_view json_object, std::chrono::milliseconds timeout);

private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Returns e.g. "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace HOLDFAST_PUBLIC
