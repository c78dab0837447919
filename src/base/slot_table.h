#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace holdfast {

/// Header of a value in a SlotTable. Only the table writes it.
struct SlotHeader {
    std::uint32_t generation : 31 = 0;  ///< 31 bits, since the poller needs one of a token's 64: see reactor/poller.h
    std::uint32_t in_use : 1 = 0;
};

/// Owns values in numbered slots that never move; slot 0 is invalid. Address space is reserved once, and pages are
/// committed as slots are first used. The slot freed last is reused first, so that a table that shrank stays dense.
/// Each reuse raises the slot's generation, and a slot whose generations are used up is retired: no {slot, generation}
/// occurs twice. T derives from SlotHeader. One thread.
template <typename T>
class SlotTable {
    struct FreeSlot : SlotHeader {
        std::uint32_t next = 0;
    };

public:
    static_assert(std::is_base_of_v<SlotHeader, T> && std::is_nothrow_destructible_v<T>);
    static_assert(sizeof(FreeSlot) <= sizeof(T) && alignof(FreeSlot) <= alignof(T));

    /// Slots beyond the capacity, which replace retired ones. Each lasts for 2^31 values.
    static constexpr std::uint32_t spare_slots = 64;

    explicit SlotTable(std::uint32_t capacity) : capacity_(capacity) {
        void* memory =
            ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        memory_ = static_cast<std::byte*>(memory);
    }
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;
    ~SlotTable() {
        HOLDFAST_CHECK(size_ == 0);
        ::munmap(memory_, bytes());
    }

    /// Returns a new value in a free slot, or 0 if all slots are in use.
    [[nodiscard]] std::uint32_t insert() {
        if (size_ == capacity_) return 0;
        std::uint32_t slot = first_free_;
        std::uint32_t generation = 0;
        if (slot != 0) {
            const auto* free = std::launder(reinterpret_cast<FreeSlot*>(place(slot)));
            first_free_ = free->next;
            generation = free->generation;
        } else {
            if (used_ == slots()) return 0;
            slot = ++used_;
        }
        T* value = new (place(slot)) T();
        value->generation = generation & generation_mask;
        value->in_use = 1;
        ++size_;
        return slot;
    }

    void erase(std::uint32_t slot) {
        T& value = at(slot);
        const std::uint32_t generation = value.generation;
        value.~T();
        auto* free = new (place(slot)) FreeSlot();
        --size_;
        if (generation == generation_mask) return;  // retired
        free->generation = (generation + 1) & generation_mask;
        free->next = first_free_;
        first_free_ = slot;
    }

    [[nodiscard]] T& at(std::uint32_t slot) {
        T* value = find(slot);
        HOLDFAST_CHECK(value != nullptr);
        return *value;
    }

    /// Returns the value, or nullptr if the slot was freed since or never used.
    [[nodiscard]] T* find(std::uint32_t slot, std::uint32_t generation) noexcept {
        T* value = find(slot);
        return value != nullptr && value->generation == generation ? value : nullptr;
    }
    /// Returns the value in `slot`, or nullptr if it is free.
    [[nodiscard]] T* find(std::uint32_t slot) noexcept {
        if (slot == 0 || slot > used_) return nullptr;
        if (std::launder(reinterpret_cast<SlotHeader*>(place(slot)))->in_use == 0) return nullptr;
        return std::launder(reinterpret_cast<T*>(place(slot)));
    }

    /// Prefetches the slot into the cache. Any number is valid.
    void prefetch(std::uint32_t slot) const noexcept {
        if (slot > used_) return;
        constexpr std::size_t cache_line = 64;
        const std::byte* first = place(slot);
        for (std::size_t at = 0; at < sizeof(T); at += cache_line) __builtin_prefetch(first + at);
        __builtin_prefetch(first + sizeof(T) - 1);
    }

    [[nodiscard]] std::uint32_t slot_of(const T& value) const noexcept {
        return static_cast<std::uint32_t>((reinterpret_cast<const std::byte*>(&value) - memory_) /
                                          static_cast<std::ptrdiff_t>(sizeof(T)));
    }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    /// Returns the highest slot that may be in use.
    [[nodiscard]] std::uint32_t highest() const noexcept { return used_; }

    static constexpr std::uint32_t generation_mask = 0x7fff'ffff;

private:
    [[nodiscard]] std::uint32_t slots() const noexcept { return capacity_ + spare_slots; }
    [[nodiscard]] std::size_t bytes() const { return (std::size_t{slots()} + 1) * sizeof(T); }
    [[nodiscard]] std::byte* place(std::uint32_t slot) const noexcept {
        return memory_ + std::size_t{slot} * sizeof(T);
    }

    std::byte* memory_ = nullptr;
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;
    std::uint32_t first_free_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace holdfast
