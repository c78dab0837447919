#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/clock.h"

namespace holdfast {

/// The bytes of an item whose end has not arrived, in one heap block that goes back as soon as it has.
struct UnfinishedItem {
    std::uint64_t scan = 0;  ///< the stream handler's own note of how far it has looked
    Tick began;              ///< when the item's first byte arrived
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

/// Appends to `item`, which is made or grown as needed (by doubling, so that a byte at a time stays linear). False: no
/// memory, and `item` is as before.
[[nodiscard]] bool append(UnfinishedItemPtr& item, std::span<const char> bytes) noexcept;
/// By how much append() of so many bytes grows its capacity.
[[nodiscard]] std::size_t growth_by(const UnfinishedItemPtr& item, std::size_t count) noexcept;

}  // namespace holdfast
