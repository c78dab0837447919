#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace holdfast {

/// Values in numbered slots that never move, 1 to capacity; slot 0 is no slot. The only owner of what it holds.
/// Address space is reserved once and memory committed by the page as slots are first used; the slot freed last is
/// used first, so a table that shrank stays dense. Each reuse raises the slot's generation: a stale {slot, generation}
/// finds nothing. T has public members `generation`, `in_use` and `next_free` that the table alone writes. One thread.
template <typename T>
class SlotTable {
public:
    static_assert(std::is_nothrow_destructible_v<T>);

    explicit SlotTable(std::uint32_t capacity) : capacity_(capacity) {
        void* memory = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        slots_ = static_cast<T*>(memory);
    }
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;
    ~SlotTable() {
        HOLDFAST_CHECK(size_ == 0);
        ::munmap(slots_, bytes());
    }

    /// A fresh value in a free slot; 0 when all are taken.
    [[nodiscard]] std::uint32_t insert() {
        std::uint32_t slot = first_free_;
        std::uint32_t generation = 0;
        if (slot != 0) {
            first_free_ = slots_[slot].next_free;
            generation = slots_[slot].generation;
        } else {
            if (used_ == capacity_) return 0;
            slot = ++used_;
        }
        T* value = new (&slots_[slot]) T();
        value->generation = generation;
        value->in_use = true;
        ++size_;
        return slot;
    }

    void erase(std::uint32_t slot) {
        T& value = at(slot);
        const std::uint32_t generation = value.generation;
        value.~T();
        T* husk = new (&slots_[slot]) T();
        husk->generation = (generation + 1) & generation_mask;
        husk->next_free = first_free_;
        first_free_ = slot;
        --size_;
    }

    [[nodiscard]] T& at(std::uint32_t slot) {
        HOLDFAST_CHECK(slot != 0 && slot <= used_ && slots_[slot].in_use);
        return slots_[slot];
    }

    /// The value, or nullptr if the slot was freed since, or never was.
    [[nodiscard]] T* find(std::uint32_t slot, std::uint32_t generation) noexcept {
        if (slot == 0 || slot > used_) return nullptr;
        T& value = slots_[slot];
        return value.in_use && value.generation == generation ? &value : nullptr;
    }
    /// The value in `slot`, or nullptr if it is free.
    [[nodiscard]] T* find(std::uint32_t slot) noexcept {
        return slot != 0 && slot <= used_ && slots_[slot].in_use ? &slots_[slot] : nullptr;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    /// Slots 1 to highest() may be in use.
    [[nodiscard]] std::uint32_t highest() const noexcept { return used_; }
    [[nodiscard]] std::uint32_t slot_of(const T& value) const noexcept { return static_cast<std::uint32_t>(&value - slots_); }

    static constexpr std::uint32_t generation_mask = 0x7fff'ffff;  ///< the top bit is the poller's: see reactor/poller.h

private:
    [[nodiscard]] std::size_t bytes() const { return (std::size_t{capacity_} + 1) * sizeof(T); }

    T* slots_ = nullptr;
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;
    std::uint32_t first_free_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace holdfast
