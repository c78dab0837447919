#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/clock.h"

namespace holdfast {

/// Bytes of a partial item, in one heap block that is freed when the item is complete.
struct UnfinishedItem {
    std::uint64_t scan = 0;  ///< the stream handler's position in the bytes
    Tick began;              ///< arrival of the item's first byte
    std::uint32_t size = 0;
    std::uint32_t capacity = 0;

    [[nodiscard]] char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] std::span<const char> bytes() const noexcept {
        return {reinterpret_cast<const char*>(this + 1), size};
    }
};

struct FreeUnfinishedItem {
    void operator()(UnfinishedItem* item) const noexcept { std::free(item); }
};
using UnfinishedItemPtr = std::unique_ptr<UnfinishedItem, FreeUnfinishedItem>;

/// Appends to `item`, which is allocated or grown as needed. Growth doubles the capacity, so that single bytes take
/// linear time. Returns false without memory; `item` is unchanged then.
[[nodiscard]] bool append(UnfinishedItemPtr& item, std::span<const char> bytes) noexcept;

}  // namespace holdfast
