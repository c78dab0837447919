#pragma once

#include <sys/mman.h>

#include <atomic>
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

/// Fields that a SlotTable keeps beside its slots in memory that outlives its process. The process may end at any
/// instruction.
struct SlotTableRecord {
    std::uint32_t used = 0;  ///< highest slot that may have been used
    /// Slot whose header changed last, and its generation, as generation << 32 | slot: a header in the making has none.
    std::uint64_t changing = 0;
};

/// Memory of a SlotTable that outlives it, and its process. Page-aligned; zero pages at first.
struct SlotMemory {
    std::byte* slots = nullptr;  ///< of SlotTable::bytes_for() bytes
    SlotTableRecord* record = nullptr;
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

    /// Places the slots in `memory`, which outlives the table, or in memory of its own. Slots of an earlier table in
    /// `memory` are out of use until adopt().
    explicit SlotTable(std::uint32_t capacity, SlotMemory memory = {})
        : memory_(memory.slots), record_(memory.record), capacity_(capacity) {
        if (record_ != nullptr) return;
        void* own =
            ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (own == MAP_FAILED) throw std::bad_alloc();
        memory_ = static_cast<std::byte*>(own);
    }
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;
    ~SlotTable() {
        HOLDFAST_CHECK(size_ == 0);
        if (record_ == nullptr) ::munmap(memory_, bytes());
    }

    /// Returns the bytes of the slots of a table with that capacity.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::uint32_t capacity) {
        return (std::size_t{capacity} + spare_slots + 1) * sizeof(T);
    }

    /// Takes over the slots of an earlier table in the same memory, before the first insert(). `keep(slot, value)`
    /// returns whether the value stays; it must replace what the value owned in the earlier process. Generations go on.
    /// The time is proportional to the slots that were ever used.
    template <typename Keep>
    void adopt(Keep&& keep) {
        HOLDFAST_CHECK(record_ != nullptr && used_ == 0);
        used_ = record_->used < slots() ? record_->used : slots();
        restore_changing();
        for (std::uint32_t slot = used_; slot > 0; --slot) {  // downward: low slots are reused first
            SlotHeader& header = *std::launder(reinterpret_cast<SlotHeader*>(place(slot)));
            if (header.in_use != 0 && size_ < capacity_ &&
                keep(slot, *std::launder(reinterpret_cast<T*>(place(slot))))) {
                ++size_;
                continue;
            }
            const bool was_in_use = header.in_use != 0;
            const std::uint32_t generation = header.generation;
            if (was_in_use) {
                free_slot(slot, generation);
            } else if (generation != generation_mask) {  // otherwise it may be retired
                put_free(slot, generation);
            }
        }
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
        note_change(slot, generation);
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
        --size_;
        free_slot(slot, generation);
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
    [[nodiscard]] std::size_t bytes() const { return bytes_for(capacity_); }
    [[nodiscard]] std::byte* place(std::uint32_t slot) const noexcept {
        return memory_ + std::size_t{slot} * sizeof(T);
    }

    /// Frees a slot whose value is destroyed, or retires it.
    void free_slot(std::uint32_t slot, std::uint32_t generation) {
        if (generation != generation_mask) return put_free(slot, generation + 1);
        note_change(slot, generation_mask);
        auto* retired = new (place(slot)) FreeSlot();
        retired->generation = generation_mask;
    }
    void put_free(std::uint32_t slot, std::uint32_t generation) {
        note_change(slot, generation);
        auto* free = new (place(slot)) FreeSlot();
        free->generation = generation & generation_mask;
        free->next = first_free_;
        first_free_ = slot;
    }

    /// Records the header that is about to be written. The process may end before it is complete.
    void note_change(std::uint32_t slot, std::uint32_t generation) noexcept {
        if (record_ == nullptr) return;
        record_->changing = std::uint64_t{generation} << 32 | slot;
        record_->used = used_;
        std::atomic_signal_fence(std::memory_order_seq_cst);  // the next writes of this thread come behind these
    }
    /// Completes the header that was being written when the process ended.
    void restore_changing() noexcept {
        const auto slot = static_cast<std::uint32_t>(record_->changing);
        const auto generation = static_cast<std::uint32_t>(record_->changing >> 32) & generation_mask;
        if (slot == 0 || slot > used_) return;
        SlotHeader& header = *std::launder(reinterpret_cast<SlotHeader*>(place(slot)));
        if (header.generation < generation) header.generation = generation & generation_mask;
    }

    std::byte* memory_ = nullptr;
    SlotTableRecord* record_ = nullptr;  // null: the table owns its memory
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;
    std::uint32_t first_free_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace holdfast
