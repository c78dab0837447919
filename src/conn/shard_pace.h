#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>

#include "base/clock.h"
#include "conn/connection.h"
#include "conn/pace_rings.h"
#include "conn/policy.h"

namespace holdfast {

/// Decides whether a connection is probed ahead of the kernel: at most once between two passes of the probe ring. The
/// ring passes once in each round of the connection's own plan.

/// Records a pass of the ring. Returns true if the ring probes the connection now: in a herd, after a whole round
/// without traffic or a canary's probe. The answer to a probe is traffic, so a quiet connection is probed every second
/// round.
[[nodiscard]] inline bool pass_probe_ring(Connection& connection, bool in_herd) {
    const bool probe = in_herd && connection.quiet && !connection.probed_in_round;
    connection.quiet = !probe;
    connection.probed_in_round = probe;
    return probe;
}

/// Records that the connection was drawn as a canary. Returns true if it may be probed, as it was not in this round.
[[nodiscard]] inline bool take_as_canary(Connection& connection) {
    if (connection.probed_in_round) return false;
    connection.probed_in_round = true;
    return true;
}

/// Paces the canaries of one reactor: connections drawn at random and probed early, so that a partition shows within a
/// second. At most `max_per_second`. Keeps only its debt as state.
class Canaries {
public:
    static constexpr double max_per_second = 64;

    explicit Canaries(SteadyTime start) : last_(start) {}

    /// Returns how many connections to probe now. `rate`: probes per second that would probe each connection once in
    /// its own round.
    [[nodiscard]] std::uint32_t take(SteadyTime now, double rate) {
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        owed_ =
            std::min(owed_ + std::min(max_per_second, rate) * seconds, std::min(max_per_second, std::max(rate, 1.0)));
        const auto due = static_cast<std::uint32_t>(owed_);
        owed_ -= due;
        return due;
    }

private:
    SteadyTime last_;
    double owed_ = 0;
};

/// Check and probe rates that one listener demands for each of its connections.
struct PaceDemand {
    std::chrono::milliseconds sweep_period{};
    std::optional<std::chrono::milliseconds> probe_round;  ///< nullopt: the kernel's own probes come early enough
};
[[nodiscard]] PaceDemand pace_demand(const ListenerPolicy& policy);

/// Decides which slots a shard visits now and when it wakes up next, for the sweep, the probe ring and the canaries
/// (docs/decisions/0002 and 0006). Each connection follows its listener's demand. State: its debt and a random
/// generator. The shard's thread.
class ShardPace {
public:
    /// Number of connections up to which simultaneous probes of the kernel fit into the per-core queue of loopback and
    /// veth (1,000 packets, net.core.netdev_max_backlog).
    static constexpr std::uint32_t herd = 500;

    ShardPace(SteadyTime start, std::uint32_t seed) : canaries_(start), dice_(seed) {}
    ShardPace(const ShardPace&) = delete;
    ShardPace& operator=(const ShardPace&) = delete;

    void set_demand(std::uint16_t listener, const PaceDemand& demand, SteadyTime now) {
        sweep_.set_period(listener, demand.sweep_period, now);
        probe_ring_.set_period(listener, demand.probe_round, now);
    }
    void keep_canaries(bool on) { canaries_on_ = on; }
    [[nodiscard]] bool keeps_canaries() const { return canaries_on_; }

    /// Adds a connection. Returns true if it is the first of its listener, so that next_step() may be earlier.
    [[nodiscard]] bool add(std::uint32_t slot, std::uint16_t listener, SteadyTime now) {
        const bool first = slots_.members(listener) == 0;
        if (first) settle(now);
        slots_.add(slot, listener);
        ++connections_;
        return first;
    }
    void remove(std::uint32_t slot) {
        slots_.remove(slot);
        --connections_;
    }

    /// Calls `visit(slot)` for the slots that the sweep checks in this turn. Returns true if some are left.
    template <typename Visit>
    [[nodiscard]] bool sweep(SteadyTime now, Visit visit) {
        sweep_.step(now, sweep_slice, visit);
        return sweep_.behind();
    }
    /// Calls `visit(slot)` for the slots that the probe ring passes now, each once per round of its listener.
    template <typename Visit>
    void pass_probe_ring(SteadyTime now, Visit visit) {
        if (keeps_probe_ring()) probe_ring_.step(now, max_probed, visit);
    }
    /// Calls `probe(slot)` for slots drawn at random. If `probe` returns false, the connection was probed in this round
    /// already, and another slot is drawn.
    template <typename Probe>
    void draw_canaries(SteadyTime now, Probe probe) {
        if (!canaries_on_) return;
        const Rates rates = probe_rates();
        for (std::uint32_t due = canaries_.take(now, rates.sum); due > 0; --due) {
            for (int draw = 0; draw < draws_per_canary; ++draw) {
                const std::uint32_t slot = draw_slot(rates);
                if (slot != 0 && probe(slot)) break;
            }
        }
    }

    /// Returns the time from `now` to the next step, or nullopt if none is needed. Below a herd, the probe ring has no
    /// steps of its own and uses the sweep's.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next_step(SteadyTime now) {
        const auto sweep = sweep_.next_step(now, sweep_batch);
        const auto ring = connections_ > herd ? probe_ring_.next_step(now, probe_slice) : std::nullopt;
        return sweep && ring ? std::min(*sweep, *ring) : sweep;
    }
    [[nodiscard]] bool is_herd() const { return connections_ > herd; }

private:
    static constexpr std::uint32_t sweep_slice = 2'048;  // visits per turn
    static constexpr std::int64_t sweep_batch = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t probe_slice = 200;  // passes per step; at most all become probes
    static constexpr std::uint32_t max_probed = 600;  // limit after a late turn
    static constexpr int draws_per_canary = 4;
    static constexpr std::uint32_t max_misses = 4'096;

    struct Rates {
        std::array<double, SlotListeners::max_listeners> of{};
        double sum = 0;
    };

    void settle(SteadyTime now) {
        sweep_.settle(now);
        probe_ring_.settle(now);
    }
    [[nodiscard]] bool keeps_probe_ring() const { return canaries_on_ || is_herd(); }
    [[nodiscard]] Rates probe_rates() const {
        Rates rates;
        for (std::uint16_t listener = 0; listener < slots_.listeners(); ++listener) {
            if (slots_.members(listener) > 0) rates.sum += rates.of[listener] = probe_ring_.rate_of(listener);
        }
        return rates;
    }
    [[nodiscard]] std::uint32_t draw_slot(const Rates& rates);

    SlotListeners slots_;
    PaceRings sweep_{slots_};
    PaceRings probe_ring_{slots_};
    Canaries canaries_;
    bool canaries_on_ = false;
    std::uint32_t connections_ = 0;
    std::minstd_rand dice_;
};

}  // namespace holdfast
