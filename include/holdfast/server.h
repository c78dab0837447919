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

/// Which connections, in which order, which page of them.
struct ConnectionQuery {
    std::optional<Prefix> peer;
    std::optional<std::string> key;  ///< the key of its latest item, compared exactly
    std::optional<std::string> listener;
    std::optional<std::string> id = {};         ///< the device's own, compared exactly
    std::optional<bool> suspect = {};           ///< only suspects, or only those that are none
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
    std::string id = {};       ///< of the device; empty if it has not said
    std::string session = {};  ///< of its numbering; empty if it has none
    EventTime connected_at;
    std::chrono::milliseconds age{};
    std::chrono::milliseconds since_item{};  ///< since its latest item, or since it connected
    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    LivenessOf liveness = LivenessOf::device;
    bool authenticated = false;  ///< it has proved to be the device `id`, by a certificate or a token
    /// Since when it is suspect: its prefix was probed on suspicion, and it has not answered since. Nothing ends it for
    /// that; its own liveness plan decides.
    std::optional<EventTime> suspect_since = {};
};

struct ConnectionPage {
    std::size_t total = 0;  ///< that match, on all pages
    std::vector<ConnectionRow> rows;
};

/// One connection with the kernel's evidence, read when asked.
struct ConnectionDetail {
    ConnectionRow row;
    Evidence evidence;
    std::size_t unfinished_item_bytes = 0;
    std::size_t downlink_queue_bytes = 0;
    LivenessPlan plan;
    std::string tls_version = {};  ///< "TLSv1.3"; empty: it is plain
    std::string tls_cipher = {};
    bool tls_resumed = false;  ///< by a ticket
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

/// What becomes of connections that were asked and did not answer.
enum class OnSilent : std::uint8_t {
    report,   ///< nothing: they are named, and the kernel or the sweep ends them in their time
    suspect,  ///< they are marked, and probed again and again until they answer: ConnectionRow::suspect_since
};

/// What became of a new configuration, one line each.
struct ApplyReport {
    std::vector<std::string> applied;
    std::vector<std::string> needs_restart;  ///< differs, and was left as it is
};

enum class SendOutcome : std::uint8_t { queued, no_such_connection, queue_full };

/// How far a downlink item got in the time that there was.
enum class Delivery : std::uint8_t {
    absent,      ///< there is no such connection
    queue_full,  ///< the device does not read: nothing was sent
    sent,        ///< given to the kernel, or waiting for it
    acked,       ///< the device's kernel has acknowledged every byte of it
};
[[nodiscard]] std::string_view to_string(Delivery delivery) noexcept;

/// A connection that has ended: its `closed` event, kept.
struct ClosedLife {
    ConnectionId conn;
    std::string listener;
    Endpoint peer;
    std::string key;
    std::string id = {};
    bool authenticated = false;  ///< a certificate or a token had proved `id`
    CloseReason reason{};
    int error = 0;
    std::string detail;
    Evidence evidence;
    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::chrono::milliseconds duration{};
    EventTime at;
};

struct ClosedQuery {
    std::optional<CloseReason> reason;
    std::optional<Prefix> peer;
    std::optional<std::string> id = {};  ///< the device's own, compared exactly
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

/// How long the turns of one reactor's event loop took since it started. Longer turns delay all its connections.
struct TurnStatus {
    std::chrono::microseconds longest{};      ///< the longest, time without the processor included
    std::chrono::microseconds longest_cpu{};  ///< the most CPU time that its thread spent in one
    std::uint64_t long_turns = 0;             ///< turns of 100 ms and more
};

/// An id that several devices seem to share: connections took it from each other so often that they are delayed.
struct DuplicateDevice {
    std::string id;
    Endpoint holder;              ///< whose connection has the id
    Endpoint claimant;            ///< whose connection claimed it last
    std::uint64_t takeovers = 0;  ///< since the id was claimed first
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

/// The gateway: reactors that hold connections, and the questions one can ask about them.
/// Every member function may be called from any thread except an EventHandler's; those that ask reactors block until
/// they have answered (a turn or two; a probe up to its timeout). The destructor stops at once.
class Server {
public:
    /// Makes the handler of reactor number `reactor` (0-based); called in start, one reactor after another.
    using HandlerFactory = std::function<std::unique_ptr<EventHandler>(unsigned reactor)>;

    /// Checks the configuration, binds, proves on an accepted loopback socket that the kernel keeps the plan, and
    /// starts the reactors. On an error nothing is left behind.
    [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerConfig config, const HandlerFactory& make_handler);

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Stops accepting, delivers what has arrived, closes every connection as `shutdown`. Returns at once.
    void drain();
    /// Returns once every reactor has ended after drain() or stop_now().
    void wait();
    /// Ends now; connections still get their `closed` events. Returns at once.
    void stop_now();

    [[nodiscard]] ServerStatus status() const;
    /// For a new-handler, or whoever else learns that the system gives no more memory: the buffer budget becomes what
    /// is held now, so that connections are shed, until apply() sets another. Neither allocates nor waits.
    void memory_exhausted() noexcept;
    /// For how long the reactor that has been silent longest has owed the answer to an earlier call of this; those
    /// that owe none are asked anew. Never waits: call it about once a second to feed a watchdog.
    [[nodiscard]] std::chrono::milliseconds silence() const;
    [[nodiscard]] ConnectionPage list(const ConnectionQuery& query) const;
    [[nodiscard]] std::optional<ConnectionDetail> show(ConnectionId id) const;
    [[nodiscard]] std::vector<ClosedLife> closed(const ClosedQuery& query) const;

    /// Asks the peer's kernel by a keep-alive probe; one heard from within the last second is alive without one.
    [[nodiscard]] std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout);
    /// Asks all whose peer lies in `peer` (all without one) and that came by `listener` (a ListenerStatus::number;
    /// any without one), paced. OnSilent::suspect leaves out those that are suspect already.
    [[nodiscard]] ProbeSummary probe_all(const std::optional<Prefix>& peer, std::chrono::milliseconds timeout,
                                         OnSilent on_silent = OnSilent::report,
                                         std::optional<std::uint8_t> listener = std::nullopt);

    /// What the reactors have noticed since the last call, for a watch over the population. One caller.
    [[nodiscard]] Observations observe();
    /// Where every connection comes from and how old it is.
    [[nodiscard]] std::vector<CensusEntry> census() const;
    /// Addresses of up to `most` connections of each reactor, spread over all it has.
    [[nodiscard]] std::vector<IpAddress> sample_peers(std::size_t most) const;
    /// Compares the registry with the kernel's sockets of the listeners (P4), paced; what disagrees is looked at a
    /// second time, so that a connection that just came or went is not taken for a defect. A few 100 ms.
    [[nodiscard]] Reconciliation reconcile();

    /// Takes over a new configuration: listeners are added, removed (their connections end as `drained`) and changed
    /// by name, for living connections too. What cannot change while running is reported. On an error nothing has
    /// changed.
    [[nodiscard]] Result<ApplyReport> apply(ServerConfig config);

    /// Begins to end living connections, in place of a drain that is under way. Returns at once; ServerStatus::drain
    /// tells how far it is. An error: the order is out of bounds, there is no such listener, or the gateway stops.
    [[nodiscard]] Result<DrainStatus> drain_over(const DrainOrder& order);
    /// Who is left stays, and a gateway out of service is in service again; nothing: there was no drain.
    std::optional<DrainStatus> cancel_drain();

    /// The living connection of a device. Never waits.
    [[nodiscard]] std::optional<ConnectionId> find(std::string_view device) const;

    /// Takes note of an id that connections of several gateways take from each other: see ServerStatus::duplicates.
    void note_duplicate(const DuplicateDevice& duplicate);

    /// Ends it as `kicked`, or for another reason of kind policy; `detail` is static text for its `closed` event. False
    /// if there is no such connection.
    bool close(ConnectionId id, CloseReason reason = CloseReason::kicked, std::string_view detail = {});
    /// Ends all whose peer lies in `peer`; how many.
    std::size_t close_all(const Prefix& peer);

    /// Sends one JSON object (the caller has validated it), framed as its listener says.
    [[nodiscard]] SendOutcome send(ConnectionId id, std::string_view json_object);
    /// The same, and waits up to `patience` for the device's kernel to acknowledge it.
    [[nodiscard]] Delivery deliver(ConnectionId id, std::string_view json_object, std::chrono::milliseconds patience);

private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// "0.1.0"
[[nodiscard]] std::string_view version() noexcept;

}  // namespace HOLDFAST_PUBLIC
