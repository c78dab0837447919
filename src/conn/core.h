#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/attended_time.h"
#include "conn/counters.h"
#include "conn/observation_log.h"
#include "conn/partings.h"
#include "conn/policy.h"
#include "conn/receive_buffer.h"
#include "conn/registry.h"
#include "conn/resumed_reads.h"
#include "conn/shard_options.h"
#include "conn/stream_handler.h"
#include "conn/tls_sessions.h"
#include "reactor/reactor.h"
#include "tcp/close_cause.h"

namespace holdfast {

class Admission;

/// How far a read goes: until the socket has less than a whole buffer, or until nothing is left.
enum class ReadUntil : std::uint8_t { short_read, end };

inline constexpr std::uint32_t awaited_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;

/// The state that the parts of a shard share: its tables, its books and its time. Owns all connections. Contains the
/// one close(); Finalizer frees what it closed. The shard's thread.
struct Core {
    Core(Reactor& on, StreamHandler& events, Admission& limits, const ShardOptions& options);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    Reactor& reactor;
    StreamHandler& handler;
    Admission& admission;

    const SteadyTime started;
    const WallTime started_at;
    const TickLine ticks{started};
    AttendedTime thawed_time;  ///< without absences of longest_busy_turn or more
    AttendedTime read_time;    ///< without absences, and without pauses of all reading

    std::vector<ListenerPolicy> policies;                              ///< by listener number
    std::vector<std::shared_ptr<ListenerCounters>> listener_counters;  ///< by listener number
    ShardCounters counters;
    ObservationLog observations;

    Registry registry;
    TlsSessions tls;
    Partings partings;
    ResumedReads resumed_reads;  ///< after a pause of one connection's reading
    ReceiveBuffer buffer;

    std::optional<SteadyTime> stop_deadline;  ///< in attended time; set once the shard stops
    bool stopped = false;                     ///< every connection has been finalized after that

    struct Closed {
        Connection* connection;
        Death info;
        Stage stage;  ///< before
    };
    std::vector<Closed> closed;  ///< to be finalized at the end of the turn

    /// Closes `connection` and reads the kernel's evidence. The first reason wins. Frees nothing and calls no handler:
    /// the connection is finalized at the end of the turn.
    void close(Connection& connection, CloseReason reason, std::string_view detail = {});
    void close(Connection& connection, const Death& info);
    /// Closes `connection` for the reason that `error` and the evidence give; see judge_close().
    void close_by_kernel(Connection& connection, int error, IoPhase phase, std::string_view detail = {});

    [[nodiscard]] Token number_of(const Connection& connection) const { return registry.number_of(connection); }
    [[nodiscard]] const ListenerPolicy& policy_of(const Connection& connection) const {
        return policies[connection.listener];
    }
    [[nodiscard]] ListenerCounters& counters_of(const Connection& connection) const {
        return *listener_counters[connection.listener];
    }

    /// Returns true if the connection must prove which device it is, and has not done so.
    [[nodiscard]] bool is_unauthenticated(const Connection& connection) const {
        return connection.is_opening() ||
               (policy_of(connection).authenticates && connection.stage == Stage::unidentified);
    }

    /// Returns the time of the reactor's turn.
    [[nodiscard]] const TurnTime& time() {
        if (time_.steady != reactor.now()) time_ = {reactor.now(), reactor.wall_now(), ticks.at(reactor.now())};
        return time_;
    }
    [[nodiscard]] SteadyTime steady_of(Tick tick) const { return started + tick.since(ticks.at(started)); }
    [[nodiscard]] WallTime wall_of(Tick tick) const { return started_at + tick.since(ticks.at(started)); }
    /// Records that the reactor was away for `length` until `until`.
    void miss(SteadyTime until, std::chrono::nanoseconds length);
    /// Returns the part of the `span` until now that lies outside long absences: the kernel's evidence stays true over
    /// a busy turn, and not over a freeze of the machine.
    [[nodiscard]] std::chrono::milliseconds attended_part(std::chrono::milliseconds span) const;
    /// Returns the part of the time since `since` in which the shard read its connections.
    [[nodiscard]] std::chrono::milliseconds read_since(Tick since);

private:
    static constexpr std::chrono::seconds longest_busy_turn{1};

    TurnTime time_{};
};

}  // namespace holdfast
