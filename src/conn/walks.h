#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "conn/core.h"
#include "conn/plan_change.h"
#include "conn/probe_run.h"

namespace holdfast {

/// Work of a shard that spans many turns: walks over all connections, probes, plan changes, and waits for
/// acknowledgements. Owns their state. Ends with end_all() when the shard stops. The shard's thread.
class Walks {
public:
    using Visit = std::function<void(Connection&)>;

    /// Speed of a walk: `slots` per turn, and the `pause` before the next slice. Walks with a pause send packets and
    /// share their slots.
    struct Pace {
        std::uint32_t slots;
        std::chrono::milliseconds pause;
    };
    static constexpr Pace at_ease{2'048, std::chrono::milliseconds(0)};

    explicit Walks(Core& core) : core_(core) {}

    /// Visits every open connection in slices, then calls `done`, once in any case. Walks take turns, so that none
    /// waits for another's pauses.
    void walk(Visit visit, std::function<void()> done, Pace pace = at_ease);
    /// Returns true if step() has work now.
    [[nodiscard]] bool is_due() const;
    /// Makes one slice of each due walk while the turn has time, and of one walk in any case.
    void step();

    /// Probes one connection. `done` is called once.
    void probe(Connection& connection, std::chrono::milliseconds timeout, ProbeRun::Done done);
    /// Probes every connection that `wanted` selects. `done` is called once.
    void probe_all(std::function<bool(const Connection&)> wanted, std::chrono::milliseconds timeout,
                   ProbeRun::JustHeard just_heard, ProbeRun::Done done);

    /// Gives the living connections of a listener its new plan. Drops a change that is under way.
    void change_plan_of(std::uint8_t listener, PlanChange::Done in_force);
    /// Gives one connection its present plan.
    void change_plan_of(Connection& connection);
    void forget_plan_change(std::uint8_t listener) { plan_changes_.erase(listener); }

    /// Calls `done` once: with true after the peer's kernel has acknowledged everything sent so far, or with false at
    /// `deadline` or when the connection ends.
    void when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool acknowledged)> done);

    /// Ends everything under way after the shard's last connection.
    void end_all();

private:
    struct Walk {
        Visit visit;
        std::function<void()> done;
        Pace pace;
        SteadyTime next_slice{};
        std::uint32_t next_slot = 1;
    };
    /// Wait for the acknowledgement of the first `bytes` sent to a peer.
    struct AckWait {
        Token number;
        std::uint64_t bytes;
        SteadyTime deadline;
        std::chrono::milliseconds pause;
        std::function<void(bool acknowledged)> done;
    };

    [[nodiscard]] bool is_due(const Walk& walk) const;
    [[nodiscard]] std::uint32_t slots_of_slice(const Walk& walk) const;
    [[nodiscard]] bool make_slice(Walk& walk);
    [[nodiscard]] ProbeRun::Done counted(ProbeRun::Done done);
    void step_probe(ProbeRun& run);
    void step_plan_change(const std::shared_ptr<PlanChange>& change, std::uint8_t listener);
    void step_plan_change(const std::shared_ptr<PlanChange>& change, Token number);
    void check_acknowledged(std::list<AckWait>::iterator wait);

    Core& core_;
    std::list<Walk> walks_;  // in turn order, next in front
    std::list<ProbeRun> probes_;
    std::list<AckWait> ack_waits_;
    std::map<std::uint8_t, std::shared_ptr<PlanChange>> plan_changes_;  // by listener number
};

}  // namespace holdfast
