#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "conn/adoption.h"
#include "conn/parts.h"
#include "reactor/reactor.h"

namespace holdfast {

/// The connections of one reactor, from accept to the end. Connects the parts, calls them in each turn and is their
/// interface to the server. Ends when all connections are finalized after drain(). Its reactor's thread.
class Shard final : public Reactor::Client {
public:
    Shard(Reactor& reactor, StreamHandler& handler, Admission& admission, const ShardOptions& options)
        : parts_(reactor, handler, admission, options), heritage_(options.kept.heritage) {}

    /// Adds a listener before the reactor runs. `inherited`: connections wait that have not the plan's options.
    void add_listener(UniqueFd socket, bool inherited = false);
    /// Takes over the connections of an earlier process, if there is one, and accepts.
    void start();

    /// Opens a listener while the reactor runs. Numbers are assigned in order; a number is free again once the former
    /// listener's last connection has ended. A removed listener may return, and its remaining connections stay. For
    /// this call and change_listener(), `in_force` is called when the last living connection has the new plan. If the
    /// plan is unchanged or changes again before, `in_force` is never called.
    void open_listener(NewListener fresh, PlanChange::Done in_force);
    /// Changes a listener. Living connections follow the new settings.
    void change_listener(ListenerChange change, PlanChange::Done in_force);
    /// Gives a living connection a plan of its own, which the listener's changes leave alone, or its listener's again.
    /// Returns false if PolicyTable::max_own other plans are in use.
    [[nodiscard]] bool set_plan(Connection& connection, std::optional<LivenessPlan> plan);
    /// Closes a listener. Its connections end as `drained`; from `deadline` on, what has arrived is not read.
    void close_listener(std::uint8_t number, SteadyTime deadline);

    void on_ready(Token token, std::uint32_t events) override;
    void expect(Token token) noexcept override {
        if (!Listener::is_listener(token)) core().registry.prefetch(token);
    }
    [[nodiscard]] bool on_turn_end() override;
    void on_absence(SteadyTime until, std::chrono::nanoseconds length) override { core().miss(until, length); }
    [[nodiscard]] std::size_t descriptors() const override {
        return parts_.core.registry.size() + parts_.listeners.size();
    }

    /// Returns what start() took over.
    [[nodiscard]] const AdoptionCounts& adopted() const { return adopted_; }
    /// Returns the listening sockets by number of the listener, and -1 for closed ones.
    [[nodiscard]] std::vector<int> listening_sockets();
    [[nodiscard]] Registry& registry() { return core().registry; }
    [[nodiscard]] KeptDevices& kept_devices() { return core().kept_devices; }
    [[nodiscard]] ShardCounters& counters() { return core().counters; }
    /// Returns the counters by listener number. Before the reactor runs, or on its thread.
    [[nodiscard]] const std::vector<std::shared_ptr<ListenerCounters>>& listener_counters() const {
        return parts_.core.listener_counters;
    }
    /// Returns the observations since the last call.
    [[nodiscard]] Observations take_observations() { return core().observations.take(); }
    [[nodiscard]] const TurnTime& time() { return core().time(); }
    [[nodiscard]] SteadyTime steady_of(Tick tick) const { return parts_.core.steady_of(tick); }
    [[nodiscard]] WallTime wall_of(Tick tick) const { return parts_.core.wall_of(tick); }

    [[nodiscard]] const ListenerPolicy& policy_of(const Connection& connection) const {
        return parts_.core.policy_of(connection);
    }
    /// Returns the TLS session of a connection that is `encrypted`.
    [[nodiscard]] const TlsSession& tls_of(const Connection& connection) { return core().tls.of(connection.fd); }
    /// Returns true if the peer has ended the connection and the shard closes it at its next read: no leak.
    [[nodiscard]] bool ends_when_read(const Connection& connection) const {
        return connection.peer_ended && parts_.receiver.is_waiting(connection);
    }
    /// Returns true if the connection must prove its device's identity and has not done so.
    [[nodiscard]] bool is_unauthenticated(const Connection& connection) const {
        return parts_.core.is_unauthenticated(connection);
    }
    [[nodiscard]] AcceptTime accept_time_of(const Connection& connection) const {
        return parts_.listeners.accept_time_of(connection);
    }

    [[nodiscard]] Reactor& reactor() { return core().reactor; }
    /// Runs `work` at the end of a turn after every connection closed before is finalized.
    void after_turn(std::function<void()> work) { after_turn_.push_back(std::move(work)); }

    /// See Core, Receiver and Sender.
    void close(Connection& connection, CloseReason reason, std::string_view detail = {}) {
        core().close(connection, reason, detail);
    }
    /// Closes the connection as the embedding program orders, with a copy of `detail`; with `flush`, after its queue is
    /// sent. Returns false if its end has begun already.
    bool close(Connection& connection, CloseInfo order, std::string_view detail, bool flush);
    /// Returns true if the end of a living connection has been ordered.
    [[nodiscard]] bool is_ending(const Connection& connection) const;
    void close_after_reading(Connection& connection, CloseReason reason, std::string_view detail = {}) {
        parts_.receiver.close_after_reading(connection, reason, detail);
    }
    void refuse(Connection& connection, CloseReason reason, std::string_view detail) {
        parts_.receiver.refuse(connection, reason, detail);
    }
    void release(Connection& connection) { parts_.receiver.release(connection); }
    /// Stops reading from the connection until release_held().
    void hold(Connection& connection) { connection.held = true; }
    void release_held(Connection& connection) { parts_.receiver.release_held(connection); }
    void deliver_held(Connection& connection) { parts_.receiver.deliver_held(connection); }
    void answered(Connection& connection) { parts_.receiver.answered(connection); }
    [[nodiscard]] SendOutcome send(Connection& connection, std::string_view framed) {
        return parts_.sender.send(connection, framed);
    }

    /// See Walks.
    void walk(Walks::Visit visit, std::function<void()> done) { parts_.walks.walk(std::move(visit), std::move(done)); }
    void probe(Connection& connection, std::chrono::milliseconds timeout, ProbeRun::Done done) {
        parts_.walks.probe(connection, timeout, std::move(done));
    }
    void probe_all(std::function<bool(const Connection&)> wanted, std::chrono::milliseconds timeout,
                   ProbeRun::JustHeard just_heard, ProbeRun::Done done) {
        parts_.walks.probe_all(std::move(wanted), timeout, just_heard, std::move(done));
    }
    void when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool acknowledged)> done);

    /// See Sweeper.
    void keep_canaries(bool on) { parts_.sweeper.keep_canaries(on); }
    void mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds probed_for);
    [[nodiscard]] std::optional<WallTime> suspect_since(const Connection& connection) const;

    /// See Drainer.
    void drain_over(DrainTask task) { parts_.drainer.drain_over(std::move(task)); }
    /// Stops accepting, reads what has arrived, ends every connection as `shutdown`, then stops the reactor. From the
    /// task's deadline on, does not read. A later call can only bring the deadline forward.
    void drain(StopTask task);

private:
    [[nodiscard]] Core& core() noexcept { return parts_.core; }
    void adopt(const Heritage& heritage);
    void finish_if_stopped();
    void flush(Connection& connection);

    Parts parts_;
    const Heritage* heritage_;  // null after start()
    AdoptionCounts adopted_;
    std::vector<std::function<void()>> after_turn_;
};

}  // namespace holdfast
