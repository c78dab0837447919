#include "conn/unfinished_item.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace holdfast {

std::size_t growth_by(const UnfinishedItemPtr& item, std::size_t count) noexcept {
    if (!item) return count;
    const std::size_t needed = item->size + count;
    return needed <= item->capacity ? 0 : std::max(needed, std::size_t{item->capacity} * 2) - item->capacity;
}

bool append(UnfinishedItemPtr& item, std::span<const char> bytes) noexcept {
    const std::size_t size = item ? item->size : 0;
    const std::size_t needed = size + bytes.size();
    if (!item || needed > item->capacity) {
        const std::size_t capacity = (item ? item->capacity : 0) + growth_by(item, bytes.size());
        void* block = std::realloc(item.get(), sizeof(UnfinishedItem) + capacity);
        if (block == nullptr) return false;
        if (!item) new (block) UnfinishedItem();
        [[maybe_unused]] auto* moved = item.release();
        item.reset(static_cast<UnfinishedItem*>(block));
        item->capacity = static_cast<std::uint32_t>(capacity);
    }
    std::memcpy(item->data() + size, bytes.data(), bytes.size());
    item->size = static_cast<std::uint32_t>(needed);
    return true;
}

}  // namespace holdfast
