#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "conn/policy_table.h"

namespace holdfast {

/// Stores for each slot of a SlotTable the listener of its connection, and whether the connection is busy, in two
/// bytes. A plan of a connection's own counts as a further listener: see PolicyTable::Group. A search by both reads 32
/// slots per cache line and no connection. One thread.
class SlotListeners {
public:
    static constexpr std::size_t max_listeners = PolicyTable::max_listeners + PolicyTable::max_own;

    /// A listener's busy connections, or its others.
    using Kind = std::uint16_t;
    [[nodiscard]] static constexpr Kind kind(std::uint16_t listener, bool busy) {
        return static_cast<Kind>(2 * listener + (busy ? 1 : 0));
    }
    [[nodiscard]] static constexpr std::uint16_t listener_of(Kind kind) { return kind / 2; }
    [[nodiscard]] static constexpr bool is_busy(Kind kind) { return kind % 2 == 1; }
    /// Set of kinds. The last element stands for free slots and stays false.
    using Set = std::array<bool, 2 * max_listeners + 1>;

    void add(std::uint32_t slot, Kind kind) {
        if (slot > slots_.size()) grow(slot);
        set(slot, kind);
    }
    void remove(std::uint32_t slot) {
        --members_[slots_[slot - 1]];
        slots_[slot - 1] = free_slot;
    }
    /// Returns the kind of the connection in the slot, or nullopt if there is none.
    [[nodiscard]] std::optional<Kind> kind_of(std::uint32_t slot) const {
        if (slot > slots_.size() || slots_[slot - 1] == free_slot) return std::nullopt;
        return slots_[slot - 1];
    }

    [[nodiscard]] std::uint32_t members(Kind kind) const { return members_[kind]; }
    [[nodiscard]] std::uint32_t members_of(std::uint16_t listener) const {
        return members(kind(listener, false)) + members(kind(listener, true));
    }
    /// Returns the upper bound of the kinds that ever had members.
    [[nodiscard]] Kind kinds() const { return kinds_; }
    /// Returns the upper bound of the listeners that ever had members.
    [[nodiscard]] std::uint16_t listeners() const { return static_cast<std::uint16_t>((kinds_ + 1) / 2); }
    /// Returns the upper bound of the slots in use, which start at 1.
    [[nodiscard]] std::uint32_t highest() const { return static_cast<std::uint32_t>(slots_.size()); }
    [[nodiscard]] bool is_of(std::uint32_t slot, const Set& kinds) const { return kinds[slots_[slot - 1]]; }

    /// Returns the next slot after `slot`, wrapping around, whose kind is in `kinds`; 0 if there is none.
    [[nodiscard]] std::uint32_t next(std::uint32_t slot, const Set& kinds) const {
        if (slot < highest() && kinds[slots_[slot]]) return slot + 1;  // dense tables, mostly
        const auto wanted = [&kinds](Kind kind) { return kinds[kind]; };
        const auto from = slots_.begin() + std::min(slot, highest());
        const auto after = std::find_if(from, slots_.end(), wanted);
        if (after != slots_.end()) return static_cast<std::uint32_t>(after - slots_.begin()) + 1;
        const auto wrapped = std::find_if(slots_.begin(), from, wanted);
        return wrapped == from ? 0 : static_cast<std::uint32_t>(wrapped - slots_.begin()) + 1;
    }

private:
    static constexpr Kind free_slot = 2 * max_listeners;
    static constexpr std::size_t growth = 8'192;

    void set(std::uint32_t slot, Kind kind) {
        slots_[slot - 1] = kind;
        ++members_[kind];
        if (kind >= kinds_) kinds_ = static_cast<Kind>(kind + 1);
    }
    void grow(std::uint32_t slot) {
        if (slot > slots_.capacity()) slots_.reserve(slot + growth);  // doubling could cost two more bytes per slot
        slots_.resize(slot, free_slot);
    }

    std::vector<Kind> slots_;
    std::array<std::uint32_t, 2 * max_listeners> members_{};
    Kind kinds_ = 0;
};

/// Spreads one visit of each connection over the period of its kind. Kinds with the same period share a ring over the
/// slots; one without a period or connections causes no visits. Keeps only its debt as state. One thread.
class PaceRings {
public:
    explicit PaceRings(const SlotListeners& slots) : slots_(slots) {}

    using Kind = SlotListeners::Kind;

    /// Sets how often each connection of the kind is visited; nullopt means never. Does not change the rings of other
    /// kinds.
    void set_period(Kind kind, std::optional<std::chrono::milliseconds> period, SteadyTime now) {
        for (Ring& ring : rings_) ring.kinds[kind] = false;
        if (period) ring_of(*period, now).kinds[kind] = true;
        std::erase_if(rings_, [](const Ring& ring) {
            return std::none_of(ring.kinds.begin(), ring.kinds.end(), [](bool member) { return member; });
        });
    }

    /// Accounts for the visits due until `now`. Call it before connections are added to a kind that had none.
    void settle(SteadyTime now) {
        for (Ring& ring : rings_) charge(ring, now);
    }

    /// Accounts for a connection that was added to the kind.
    void note_join(Kind kind) {
        for (Ring& ring : rings_) {
            if (ring.kinds[kind]) ++ring.in_revolution;
        }
    }

    /// Calls `visit(slot)` for each slot that is due, at most `limit` in all. Visits beyond that stay due, at most one
    /// for each connection. `visit` leaves the rings alone.
    template <typename Visit>
    void step(SteadyTime now, std::uint32_t limit, Visit visit) {
        for (Ring& ring : rings_) {
            charge(ring, now);
            const auto due = static_cast<std::uint32_t>(std::min<std::int64_t>(ring.owed / ring.period, limit));
            ring.owed -= due * ring.period;
            limit -= due;
            for (std::uint32_t i = 0; i < due; ++i) {
                const std::uint32_t slot = slots_.next(ring.slot, ring.kinds);
                if (slot <= ring.slot) ring.in_revolution = members(ring);
                ring.slot = slot;
                if (slot == 0) break;
                visit(slot);
            }
        }
    }
    /// Returns true if a step reached its limit with visits left.
    [[nodiscard]] bool behind() const {
        return std::any_of(rings_.begin(), rings_.end(), [](const Ring& ring) { return ring.owed >= ring.period; });
    }

    /// Returns the time from `now` to the next step, or nullopt if no visit will be due. A ring causes at most
    /// `steps_per_period` steps, or more if a step would exceed `slice` visits.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next_step(SteadyTime now, std::int64_t slice) {
        std::optional<std::chrono::milliseconds> next;
        for (Ring& ring : rings_) {
            charge(ring, now);
            const std::int64_t connections = members(ring);
            if (connections == 0) continue;
            const std::int64_t pace = std::max(connections, ring.in_revolution);
            const std::int64_t batch = std::clamp<std::int64_t>(connections / steps_per_period, 1, slice);
            const Microseconds wait{(batch * ring.period - ring.owed + pace - 1) / pace};
            const auto step = std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), shortest_wait);
            next = next ? std::min(*next, step) : step;
        }
        return next;
    }

    /// Returns the connections of the kind divided by its period, in visits per second.
    [[nodiscard]] double rate_of(Kind kind) const {
        for (const Ring& ring : rings_) {
            if (ring.kinds[kind])
                return slots_.members(kind) / std::chrono::duration<double>(Microseconds(ring.period)).count();
        }
        return 0;
    }

private:
    static constexpr std::int64_t steps_per_period = 10;  // keeps slices small and lets an idle gateway sleep
    static constexpr std::chrono::milliseconds shortest_wait{10};

    using Microseconds = std::chrono::microseconds;

    struct Ring {
        std::int64_t period;  ///< microseconds
        SteadyTime charged;   ///< time up to which `owed` counts
        SlotListeners::Set kinds{};
        std::uint32_t slot = 0;  ///< latest visit
        std::int64_t owed = 0;   ///< microseconds times connections; a visit takes `period` of it
        /// Connections at the begin of this revolution, and those that came since. Many leave the ring at their visit:
        /// a pace by those that are left would reach the last ones late.
        std::int64_t in_revolution = 0;
    };

    [[nodiscard]] Ring& ring_of(std::chrono::milliseconds wanted, SteadyTime now) {
        const std::int64_t period = Microseconds(wanted).count();
        const auto found =
            std::find_if(rings_.begin(), rings_.end(), [period](const Ring& ring) { return ring.period == period; });
        return found != rings_.end() ? *found : rings_.emplace_back(Ring{.period = period, .charged = now});
    }
    [[nodiscard]] std::uint32_t members(const Ring& ring) const {
        std::uint32_t sum = 0;
        for (Kind kind = 0; kind < slots_.kinds(); ++kind) {
            if (ring.kinds[kind]) sum += slots_.members(kind);
        }
        return sum;
    }
    void charge(Ring& ring, SteadyTime now) {
        const std::int64_t connections = members(ring);
        if (connections == 0) ring.in_revolution = 0;
        const auto elapsed = std::chrono::floor<Microseconds>(now - ring.charged);
        ring.charged += elapsed;
        const std::int64_t full = connections * ring.period;
        ring.owed = std::min(
            ring.owed + std::max(connections, ring.in_revolution) * std::min(elapsed.count(), ring.period), full);
    }

    const SlotListeners& slots_;
    std::vector<Ring> rings_;
};

}  // namespace holdfast
