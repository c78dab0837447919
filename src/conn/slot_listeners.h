#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast {

/// The listener of the connection in each slot of a SlotTable, in two bytes a slot. A search for the connections of
/// some listeners reads 32 slots per cache line and touches no connection. One thread.
class SlotListeners {
public:
    static constexpr std::size_t max_listeners = 256;

    /// Some listeners; the last place stands for free slots and stays false.
    using Set = std::array<bool, max_listeners + 1>;

    void add(std::uint32_t slot, std::uint8_t listener) {
        if (slot > slots_.size()) grow(slot);
        slots_[slot - 1] = listener;
        ++members_[listener];
    }
    void remove(std::uint32_t slot) {
        --members_[slots_[slot - 1]];
        slots_[slot - 1] = free_slot;
    }

    [[nodiscard]] std::uint32_t members(std::uint8_t listener) const { return members_[listener]; }
    /// Slots 1 to highest() may be in use.
    [[nodiscard]] std::uint32_t highest() const { return static_cast<std::uint32_t>(slots_.size()); }
    [[nodiscard]] bool is_of(std::uint32_t slot, const Set& listeners) const { return listeners[slots_[slot - 1]]; }

    /// Returns the first slot after `slot`, and after the last the first, that belongs to one of `listeners`; 0 if none
    /// does.
    [[nodiscard]] std::uint32_t next(std::uint32_t slot, const Set& listeners) const {
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
        if (slot > slots_.capacity()) slots_.reserve(slot + growth);  // doubling would cost two bytes a slot more
        slots_.resize(slot, free_slot);
    }

    std::vector<std::uint16_t> slots_;
    std::array<std::uint32_t, max_listeners> members_{};
};

}  // namespace holdfast
