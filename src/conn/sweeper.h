#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <holdfast/watch.h>

#include "conn/core.h"
#include "conn/liveness.h"
#include "conn/pending_probes.h"
#include "conn/shard_pace.h"
#include "conn/suspects.h"

namespace holdfast {

class MemoryPressure;
class Receiver;

/// Detects peers of a shard that are gone, stalled or late. The means are the sweep over all slots, the probe ring,
/// the canaries and the suspects. Owns their pace. The shard's thread.
class Sweeper {
public:
    Sweeper(Core& core, MemoryPressure& memory, Receiver& receiver, const ShardOptions& options);

    /// Adopts the policy of a new or changed listener.
    void follow(std::uint8_t listener);
    void add(const Connection& connection);
    /// Checks the connection at the pace of another policy, which it has now: its listener's, or one of its own.
    void move(const Connection& connection, PolicyTable::Group group);
    /// Forgets a finalized connection.
    void forget(Connection& connection);
    /// Switches canaries and suspicion on or off.
    void keep_canaries(bool on);

    /// Wakes the reactor for the next step, if one is due. Without connections there are no steps.
    void schedule_step();
    /// Checks the connections whose turn it is, after the reactor has caught up.
    void sweep();
    [[nodiscard]] bool is_due() const { return is_due_; }

    /// Marks the connections of `silent` that still are: probed, and silent for `probed_for`. Closes none.
    void mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds probed_for);
    /// Returns the time of the mark, or nullopt if the connection is no suspect.
    [[nodiscard]] std::optional<WallTime> suspect_since(const Connection& connection) const;

private:
    struct Overdue {
        CloseReason reason;
        std::string_view detail;
    };

    // sweeper.cc
    void step();
    void check(Connection& connection);
    [[nodiscard]] bool may_be_overdue(const Connection& connection, const ListenerPolicy& policy) const;
    [[nodiscard]] std::optional<Overdue> find_overdue(const Connection& connection, int times);
    void check_deadlines(Connection& connection);
    [[nodiscard]] WatchedFacts watched_facts(const Connection& connection, const TcpFacts& facts) const;
    void check_watched(Connection& connection);
    void note_progress(Connection& connection, const TcpFacts& facts);
    void relieve_kernel(Connection& connection, const WatchedFacts& view);
    void check_before_next_sweep(const Connection& connection, std::chrono::milliseconds due);
    void end_stalled(Connection& connection, const TcpFacts& facts, std::chrono::milliseconds limit);
    void end_silent(Connection& connection, const TcpFacts& facts);

    // sweeper_probes.cc
    void probe_if_quiet(Connection& connection);
    [[nodiscard]] bool probe_as_canary(std::uint32_t slot);
    void probe_ahead(Connection& connection, bool watched);
    void check_pending(PendingProbes::Pending pending);
    void end_probing(Connection& connection, std::chrono::milliseconds silence);
    void notice(const Connection& connection, Observation::Kind kind, std::chrono::milliseconds time_span);
    void step_suspects();
    void end_suspicion(Connection& connection);
    void notice_answer_of_suspect(Connection& connection, const Evidence& evidence);

    Core& core_;
    MemoryPressure& memory_;
    Receiver& receiver_;
    ShardPace pace_;
    SteadyTime step_at_ = SteadyTime::max();  // time of the next step; max: none
    bool is_due_ = false;
    std::vector<std::uint32_t> due_;  // slots of this turn
    std::uint32_t probed_in_turn_ = 0;
    PendingProbes pending_;
    Suspects suspects_;
    bool probes_suspects_ = false;  // a timer is set
};

}  // namespace holdfast
