#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/bad_items.h>
#include <holdfast/config.h>
#include <holdfast/drain.h>
#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/hello.h>
#include <holdfast/reactor_context.h>
#include <holdfast/reason.h>
#include <holdfast/result.h>
#include <holdfast/status.h>
#include <holdfast/visibility.h>
#include <holdfast/watch.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// The gateway: reactors that hold connections, and queries about them. Functions that query reactors block until they
/// have answered (a turn or two; a probe up to its timeout). On a reactor's thread, thus in an EventHandler, they throw
/// Misuse: use the ReactorContext there. Any other thread may call every function.
class Server {
public:
    /// Creates the handler of reactor number `reactor` (from 0). Called in start(), one reactor after another. Nullptr
    /// or an exception ends the start with an error.
    using HandlerFactory = std::function<std::unique_ptr<EventHandler>(unsigned reactor)>;

    /// Checks the configuration, binds, proves on an accepted loopback socket that the kernel keeps the plan, and
    /// starts the reactors. On an error nothing remains.
    [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerConfig config, const HandlerFactory& make_handler);

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    /// Stops at once, and returns after the last event. On a reactor's thread, the process ends with the text of a
    /// Misuse. In a child of fork(2), the destructor does nothing, and all functions throw Misuse.
    ~Server();

    /// Stops accepting, delivers received bytes, closes every connection as `shutdown`. Returns at once.
    void drain();
    /// Waits until every reactor has ended after drain() or stop_now(). Several threads may wait.
    void wait();
    /// Ends at once; connections still get their `closed` events. Returns at once.
    void stop_now();

    /// Returns what start() took over from an earlier process, or nullopt if there was none. Waits for the reactors'
    /// first turn. From then on, ServerStatus::takeover has it.
    [[nodiscard]] std::optional<Takeover> takeover() const;

    [[nodiscard]] ServerStatus status() const;
    /// Returns the configuration in force: the one of start(), with what apply() has changed. An option that needs a
    /// restart keeps its old value. Never waits.
    [[nodiscard]] ServerConfig config() const;
    /// Lowers the buffer budget to the memory held now, so that connections are shed, until apply() sets another. For a
    /// new-handler, or another place that learns of exhausted memory. Neither allocates nor waits.
    void memory_exhausted() noexcept;
    /// Returns how long the most silent reactor has owed the answer to an earlier call; pings the others. Never waits:
    /// call it about once a second to feed a watchdog.
    [[nodiscard]] std::chrono::milliseconds silence() const;
    [[nodiscard]] ConnectionPage list(const ConnectionQuery& query) const;
    [[nodiscard]] std::optional<ConnectionDetail> show(ConnectionId id) const;
    [[nodiscard]] std::vector<ClosedLife> closed(const ClosedQuery& query) const;
    /// Returns the matching ones of the latest bad_items_kept bad items. Never waits.
    [[nodiscard]] BadItemPage bad_items(const BadItemQuery& query) const;
    /// Returns the same connections, and how many there are on all pages.
    [[nodiscard]] ClosedPage closed_page(const ClosedQuery& query) const;
    /// Adds a connection of another gateway to the history as the latest.
    void remember_closed(ClosedLife life);
    /// Adds connections of an earlier process to the history, the oldest first, before those of this process.
    void restore_closed(std::vector<ClosedLife> lives);

    /// Probes the peer's kernel with a keep-alive probe. A peer that was active within the last second counts as alive
    /// without one.
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
    /// Returns addresses of up to `max` connections of each reactor, evenly spread.
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

    /// Closes the connection. Returns false if it does not exist or is already closing. Throws Misuse for a reason of
    /// another kind than policy.
    bool close(ConnectionId id, const CloseOrder& order);
    bool close(ConnectionId id, CloseReason reason = CloseReason::kicked, std::string_view detail = {}) {
        return close(id, CloseOrder{.reason = reason, .detail = detail});
    }
    /// Closes all connections with a peer in `peer`. Returns their number.
    std::size_t close_all(const Prefix& peer);

    /// Runs `work` on the reactor that holds the connection. Never waits; also on a reactor's thread. Returns false if
    /// the id is of another run, or its reactor has ended.
    bool post(ConnectionId id, ReactorContext::Work work);
    /// Sends the same bytes to many connections. Never waits, and skips connections that have ended or whose queue is
    /// full; also on a reactor's thread.
    void send_many(std::span<const ConnectionId> ids, std::string_view bytes);

    /// Sends one JSON object, which the caller has validated, in the listener's framing.
    [[nodiscard]] SendOutcome send(ConnectionId id, std::string_view json_object);
    /// Sends it, and waits up to `timeout` for the device's kernel to acknowledge it.
    [[nodiscard]] Delivery deliver(ConnectionId id, std::string_view json_object, std::chrono::milliseconds timeout);

private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    [[nodiscard]] Impl& impl() const;
    std::unique_ptr<Impl> impl_;
};

/// Returns e.g. "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
