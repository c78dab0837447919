#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <vector>

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
    /// Returns the time until take() returns one, for a `rate` above 0.
    [[nodiscard]] std::chrono::milliseconds next(SteadyTime now, double rate) const {
        using Seconds = std::chrono::duration<double>;
        const Seconds wait = Seconds((1 - owed_) / std::min(max_per_second, rate)) - (now - last_);
        return std::chrono::ceil<std::chrono::milliseconds>(std::max(wait, Seconds(0)));
    }

private:
    SteadyTime last_;
    double owed_ = 0;
};

/// Check and probe rates that one listener demands for each of its connections.
struct PaceDemand {
    std::chrono::milliseconds sweep_period{};              ///< of busy connections
    std::chrono::milliseconds idle_period{};               ///< of the others
    std::optional<std::chrono::milliseconds> probe_round;  ///< nullopt: the kernel's own probes come early enough
};
[[nodiscard]] PaceDemand pace_demand(const ListenerPolicy& policy);

/// Returns how long before the end of `read_idle` a connection becomes busy. A later check as an idle one could come
/// too late.
[[nodiscard]] constexpr std::chrono::milliseconds busy_before_end(const PaceDemand& demand) {
    return 2 * demand.idle_period;
}

/// Decides which slots a shard visits now and when it wakes up next, for the sweep, the probe ring and the canaries
/// (docs/decisions/0002 and 0006). Each connection follows its listener's demand. A connection is busy while a deadline
/// of seconds runs for it, or while it is under watch. Most are idle, and checked rarely.
/// State: its debt and a random generator. The shard's thread.
class ShardPace {
public:
    /// Number of connections up to which simultaneous probes of the kernel fit into the per-core queue of loopback and
    /// veth (1,000 packets, net.core.netdev_max_backlog).
    static constexpr std::uint32_t herd = 500;

    ShardPace(SteadyTime start, std::uint32_t seed) : canaries_(start), dice_(seed) {}
    ShardPace(const ShardPace&) = delete;
    ShardPace& operator=(const ShardPace&) = delete;

    void set_demand(std::uint16_t listener, const PaceDemand& demand, SteadyTime now) {
        sweep_.set_period(SlotListeners::kind(listener, true), demand.sweep_period, now);
        sweep_.set_period(SlotListeners::kind(listener, false), demand.idle_period, now);
        for (const bool busy : {true, false}) {
            probe_ring_.set_period(SlotListeners::kind(listener, busy), demand.probe_round, now);
        }
    }
    void keep_canaries(bool on) { canaries_on_ = on; }
    [[nodiscard]] bool keeps_canaries() const { return canaries_on_; }

    /// Adds a connection, which is busy at first. Returns true if next_step() may be earlier now.
    [[nodiscard]] bool add(std::uint32_t slot, std::uint16_t listener, SteadyTime now) {
        ++connections_;
        return join(slot, SlotListeners::kind(listener, true), now);
    }
    /// Changes whether the connection in the slot is busy; ignores a free slot. Returns true if next_step() may be
    /// earlier now.
    bool set_busy(std::uint32_t slot, bool busy, SteadyTime now) {
        const auto kind = slots_.kind_of(slot);
        if (!kind || SlotListeners::is_busy(*kind) == busy) return false;
        slots_.remove(slot);
        return join(slot, SlotListeners::kind(SlotListeners::listener_of(*kind), busy), now);
    }
    /// Makes all connections of the listeners busy.
    void make_busy(const std::vector<std::uint16_t>& listeners, SteadyTime now) {
        SlotListeners::Set idle{};
        for (const std::uint16_t listener : listeners) idle[SlotListeners::kind(listener, false)] = true;
        for (std::uint32_t slot = 1; slot <= slots_.highest(); ++slot) {
            if (slots_.is_of(slot, idle)) set_busy(slot, true, now);
        }
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
    /// steps of its own and uses the others'.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next_step(SteadyTime now) {
        auto next = sweep_.next_step(now, sweep_batch);
        if (!next) return next;
        if (const auto ring = is_herd() ? probe_ring_.next_step(now, probe_slice) : std::nullopt) {
            next = std::min(*next, *ring);
        }
        if (const double rate = canaries_on_ ? probe_rates().sum : 0; rate > 0) {
            next = std::min(*next, std::max(canaries_.next(now, rate), shortest_between_canaries));
        }
        return next;
    }
    [[nodiscard]] bool is_herd() const { return connections_ > herd; }

private:
    static constexpr std::uint32_t sweep_slice = 2'048;  // visits per turn
    static constexpr std::int64_t sweep_batch = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t probe_slice = 200;  // passes per step; at most all become probes
    static constexpr std::uint32_t max_probed = 600;  // limit after a late turn
    static constexpr int draws_per_canary = 4;
    static constexpr std::chrono::milliseconds shortest_between_canaries{100};  // a step draws all that are due
    static constexpr std::uint32_t max_misses = 4'096;

    struct Rates {
        std::array<double, SlotListeners::max_listeners> of{};
        double sum = 0;
    };

    [[nodiscard]] bool join(std::uint32_t slot, SlotListeners::Kind kind, SteadyTime now) {
        const bool first = slots_.members(kind) == 0;
        if (first) {
            sweep_.settle(now);
            probe_ring_.settle(now);
        }
        slots_.add(slot, kind);
        sweep_.note_join(kind);
        return first;
    }
    [[nodiscard]] bool keeps_probe_ring() const { return canaries_on_ || is_herd(); }
    [[nodiscard]] Rates probe_rates() const {
        Rates rates;
        for (std::uint16_t listener = 0; listener < slots_.listeners(); ++listener) {
            for (const bool busy : {true, false}) {
                rates.of[listener] += probe_ring_.rate_of(SlotListeners::kind(listener, busy));
            }
            rates.sum += rates.of[listener];
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
