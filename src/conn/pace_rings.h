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

/// Stores the listener of the connection in each slot of a SlotTable, in two bytes per slot. A plan of a connection's
/// own counts as a further listener: see PolicyTable::Group. A search by listener reads 32 slots per cache line and no
/// connection. One thread.
class SlotListeners {
public:
    static constexpr std::size_t max_listeners = PolicyTable::max_listeners + PolicyTable::max_own;

    /// Set of listeners. The last element stands for free slots and stays false.
    using Set = std::array<bool, max_listeners + 1>;

    void add(std::uint32_t slot, std::uint16_t listener) {
        if (slot > slots_.size()) grow(slot);
        slots_[slot - 1] = listener;
        ++members_[listener];
        if (listener >= listeners_) listeners_ = static_cast<std::uint16_t>(listener + 1);
    }
    void remove(std::uint32_t slot) {
        --members_[slots_[slot - 1]];
        slots_[slot - 1] = free_slot;
    }

    [[nodiscard]] std::uint32_t members(std::uint16_t listener) const { return members_[listener]; }
    /// Returns the upper bound of the listeners that ever had members.
    [[nodiscard]] std::uint16_t listeners() const { return listeners_; }
    /// Returns the upper bound of the slots in use, which start at 1.
    [[nodiscard]] std::uint32_t highest() const { return static_cast<std::uint32_t>(slots_.size()); }
    [[nodiscard]] bool is_of(std::uint32_t slot, const Set& listeners) const { return listeners[slots_[slot - 1]]; }

    /// Returns the next slot after `slot`, wrapping around, whose listener is in `listeners`; 0 if there is none.
    [[nodiscard]] std::uint32_t next(std::uint32_t slot, const Set& listeners) const {
        if (slot < highest() && listeners[slots_[slot]]) return slot + 1;  // dense tables, mostly
        const auto wanted = [&listeners](std::uint16_t listener) { return listeners[listener]; };
        const auto from = slots_.begin() + std::min(slot, highest());
        const auto after = std::find_if(from, slots_.end(), wanted);
        if (after != slots_.end()) return static_cast<std::uint32_t>(after - slots_.begin()) + 1;
        const auto wrapped = std::find_if(slots_.begin(), from, wanted);
        return wrapped == from ? 0 : static_cast<std::uint32_t>(wrapped - slots_.begin()) + 1;
    }

private:
    static constexpr std::uint16_t free_slot = max_listeners;
    static constexpr std::size_t growth = 8'192;

    void grow(std::uint32_t slot) {
        if (slot > slots_.capacity()) slots_.reserve(slot + growth);  // doubling could cost two more bytes per slot
        slots_.resize(slot, free_slot);
    }

    std::vector<std::uint16_t> slots_;
    std::array<std::uint32_t, max_listeners> members_{};
    std::uint16_t listeners_ = 0;
};

/// Spreads one visit of each connection over the period of its listener. Listeners with the same period share a ring
/// over the slots; one without a period or connections causes no visits. Keeps only its debt as state. One thread.
class PaceRings {
public:
    explicit PaceRings(const SlotListeners& slots) : slots_(slots) {}

    /// Sets how often each connection of `listener` is visited; nullopt means never. Does not change the rings of other
    /// listeners.
    void set_period(std::uint16_t listener, std::optional<std::chrono::milliseconds> period, SteadyTime now) {
        for (Ring& ring : rings_) ring.listeners[listener] = false;
        if (period) ring_of(*period, now).listeners[listener] = true;
        std::erase_if(rings_, [](const Ring& ring) {
            return std::none_of(ring.listeners.begin(), ring.listeners.end(), [](bool member) { return member; });
        });
    }

    /// Accounts for the visits due until `now`. Call it before connections are added to a listener that had none.
    void settle(SteadyTime now) {
        for (Ring& ring : rings_) charge(ring, now);
    }

    /// Calls `visit(slot)` for each slot that is due, at most `limit` in all. Visits beyond that stay due, at most one
    /// for each connection.
    template <typename Visit>
    void step(SteadyTime now, std::uint32_t limit, Visit visit) {
        for (Ring& ring : rings_) {
            charge(ring, now);
            const auto due = static_cast<std::uint32_t>(std::min<std::int64_t>(ring.owed / ring.period, limit));
            ring.owed -= due * ring.period;
            limit -= due;
            for (std::uint32_t i = 0; i < due; ++i) {
                ring.slot = slots_.next(ring.slot, ring.listeners);
                if (ring.slot == 0) break;
                visit(ring.slot);
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
            const std::int64_t batch = std::clamp<std::int64_t>(connections / steps_per_period, 1, slice);
            const Microseconds wait{(batch * ring.period - ring.owed + connections - 1) / connections};
            const auto step = std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), shortest_wait);
            next = next ? std::min(*next, step) : step;
        }
        return next;
    }

    /// Returns the connections of `listener` divided by the listener's period, in visits per second.
    [[nodiscard]] double rate_of(std::uint16_t listener) const {
        for (const Ring& ring : rings_) {
            if (ring.listeners[listener])
                return slots_.members(listener) / std::chrono::duration<double>(Microseconds(ring.period)).count();
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
        SlotListeners::Set listeners{};
        std::uint32_t slot = 0;  ///< latest visit
        std::int64_t owed = 0;   ///< microseconds times connections; a visit takes `period` of it
    };

    [[nodiscard]] Ring& ring_of(std::chrono::milliseconds wanted, SteadyTime now) {
        const std::int64_t period = Microseconds(wanted).count();
        const auto found =
            std::find_if(rings_.begin(), rings_.end(), [period](const Ring& ring) { return ring.period == period; });
        return found != rings_.end() ? *found : rings_.emplace_back(Ring{.period = period, .charged = now});
    }
    [[nodiscard]] std::uint32_t members(const Ring& ring) const {
        std::uint32_t sum = 0;
        for (std::uint16_t listener = 0; listener < slots_.listeners(); ++listener) {
            if (ring.listeners[listener]) sum += slots_.members(listener);
        }
        return sum;
    }
    void charge(Ring& ring, SteadyTime now) {
        const std::int64_t connections = members(ring);
        const auto elapsed = std::chrono::floor<Microseconds>(now - ring.charged);
        ring.charged += elapsed;
        const std::int64_t full = connections * ring.period;
        ring.owed = std::min(ring.owed + connections * std::min(elapsed.count(), ring.period), full);
    }

    const SlotListeners& slots_;
    std::vector<Ring> rings_;
};

}  // namespace holdfast
