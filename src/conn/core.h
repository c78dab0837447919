#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/attended_time.h"
#include "base/wall_line.h"
#include "conn/buffer_budget.h"
#include "conn/counters.h"
#include "conn/ends_that_wait.h"
#include "conn/kept_device.h"
#include "conn/partings.h"
#include "conn/policy.h"
#include "conn/policy_table.h"
#include "conn/preamble_table.h"
#include "conn/rate_limiter.h"
#include "conn/registry.h"
#include "conn/stream_handler.h"
#include "reactor/reactor.h"
#include "tcp/close_cause.h"

namespace holdfast {

class Admission;

/// End of a read: when the socket had less than a full buffer, or when nothing is left.
enum class ReadUntil : std::uint8_t { short_read, end };

inline constexpr std::uint32_t awaited_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;

/// State that the parts of a shard share: tables, counters and times. Owns all connections. Contains close(), the only
/// place that closes; Finalizer frees what it closed. The shard's thread.
struct Core {
    Core(Reactor& on, StreamHandler& events, Admission& limits, const ShardOptions& options);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    Reactor& reactor;
    StreamHandler& handler;
    Admission& admission;

    KeptReactor of_this_process;  ///< unused if the state is kept elsewhere
    KeptReactor& kept;
    const bool is_kept;  ///< the state outlives the process
    KeptDevices kept_devices;
    std::uint8_t* const adoption_marks;  ///< AdoptionMark by slot; null: nothing is kept
    const SteadyTime started;
    const TickLine ticks{started};
    AttendedTime thawed_time;  ///< without absences of longest_busy_turn or more
    AttendedTime read_time;    ///< without absences, and without pauses of all reading

    PolicyTable policies;
    std::vector<std::shared_ptr<ListenerCounters>> listener_counters;  ///< by listener number
    ShardCounters counters_of_this_process;                            ///< likewise
    ShardCounters& counters;
    ObservationLog observations;

    Registry registry;  ///< in the kept memory, if there is any
    TlsSessions tls;
    Partings partings;
    ResumedReads resumed_reads;  ///< times at which single connections' reading resumed
    ReceiveBuffer buffer;
    /// Connections that wait for their answers after the peer's FIN, with the close information of the FIN.
    std::unordered_map<Token, CloseInfo> half_closed;
    EndsThatWait ends_that_wait;
    /// Details of closes that the embedding program ordered, until the connections are finalized.
    std::unordered_map<Token, std::string> details;
    /// Connections that end once their queue is sent, with the information of the order.
    std::unordered_map<Token, CloseInfo> ends_after_flush;

    std::optional<SteadyTime> stop_deadline;  ///< in attended time; set when the shard begins to stop
    bool stopped = false;                     ///< true once every connection is finalized in a stop

    struct Closed {
        Connection* connection;
        CloseInfo info;
        Stage stage;  ///< stage before the close
    };
    std::vector<Closed> closed;  ///< finalized at the end of the turn

    /// Closes `connection` with the kernel's evidence. The first reason wins. Frees nothing and calls no handler, since
    /// the connection is finalized at the end of the turn.
    void close(Connection& connection, CloseReason reason, std::string_view detail = {});
    void close(Connection& connection, const CloseInfo& info);
    /// Returns the close information that classify_close() derives from `error` and the kernel's evidence.
    [[nodiscard]] CloseInfo info_by_kernel(const Connection& connection, int error, IoPhase phase,
                                           std::string_view detail = {}) const;
    /// Closes `connection` with the reason that classify_close() derives from `error` and the evidence.
    void close_by_kernel(Connection& connection, int error, IoPhase phase, std::string_view detail = {});

    [[nodiscard]] Token number_of(const Connection& connection) const { return registry.number_of(connection); }
    [[nodiscard]] const ListenerPolicy& policy_of(const Connection& connection) const {
        return policies.of(connection, registry.slot_of(connection));
    }
    /// Returns since when the plan of policy_of() applies to the connection.
    [[nodiscard]] Tick plan_since(const Connection& connection) const {
        return policies.plan_since(connection, registry.slot_of(connection));
    }
    [[nodiscard]] ListenerCounters& counters_of(const Connection& connection) const {
        return *listener_counters[connection.listener];
    }

    /// Returns true if the connection must prove its device's identity and has not done so.
    [[nodiscard]] bool is_unauthenticated(const Connection& connection) const {
        return connection.is_opening() || (policy_of(connection).authenticates && !connection.is_identified());
    }

    /// Returns the time of the present turn.
    [[nodiscard]] const TurnTime& time() {
        if (time_.steady != reactor.now()) time_ = {reactor.now(), reactor.wall_now(), ticks.at(reactor.now())};
        return time_;
    }
    [[nodiscard]] SteadyTime steady_of(Tick tick) const { return started + tick.since(ticks.at(started)); }
    /// Returns the wall-clock time of an earlier moment by the present clock: a step does not falsify the age.
    [[nodiscard]] WallTime wall_of(SteadyTime at) const;
    [[nodiscard]] WallTime wall_of(Tick tick) const { return wall_of(steady_of(tick)); }
    /// Frees the queued output of a connection.
    void drop_downlink(Connection& connection);
    /// Records an absence of the reactor of `length` that ended at `until`.
    void miss(SteadyTime until, std::chrono::nanoseconds length);
    /// Returns the part of the latest `span` outside long absences. The kernel's evidence stays valid during a busy
    /// turn, but not while the machine is frozen.
    [[nodiscard]] std::chrono::milliseconds attended_part(std::chrono::milliseconds span) const;
    /// Returns the part of the time since `since` during which the shard read its connections.
    [[nodiscard]] std::chrono::milliseconds read_since(Tick since);

private:
    static constexpr std::chrono::seconds longest_busy_turn{1};

    TurnTime time_{};
    mutable WallLine wall_line_;
};

}  // namespace holdfast
