#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast {

/// Stores the listener of the connection in each slot of a SlotTable, in two bytes per slot. A search by listener reads
/// 32 slots per cache line and no connection. One thread.
class SlotListeners {
public:
    static constexpr std::size_t max_listeners = 256;

    /// Set of listeners. The last element stands for free slots and stays false.
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
    /// Returns the upper bound of the slots in use, which start at 1.
    [[nodiscard]] std::uint32_t highest() const { return static_cast<std::uint32_t>(slots_.size()); }
    [[nodiscard]] bool is_of(std::uint32_t slot, const Set& listeners) const { return listeners[slots_[slot - 1]]; }

    /// Returns the next slot after `slot`, wrapping around, whose listener is in `listeners`; 0 if there is none.
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
        if (slot > slots_.capacity()) slots_.reserve(slot + growth);  // doubling could cost two more bytes per slot
        slots_.resize(slot, free_slot);
    }

    std::vector<std::uint16_t> slots_;
    std::array<std::uint32_t, max_listeners> members_{};
};

}  // namespace holdfast
