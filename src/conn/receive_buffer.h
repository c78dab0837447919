#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "base/check.h"

namespace holdfast {

/// Where a reactor's reads land: one buffer for all its connections. In front of the landing area there is room for
/// what a connection kept of an unfinished item, so that the two are contiguous without moving what was just read;
/// behind it, padding that a parser may read.
class ReceiveBuffer {
public:
    static constexpr std::size_t landing_bytes = 64 * 1024;
    static constexpr std::size_t padding = 64;

    /// A connection that is held keeps what had arrived beside its unfinished item.
    explicit ReceiveBuffer(std::size_t max_unfinished)
        : room_(max_unfinished + landing_bytes), memory_(std::make_unique<char[]>(room_ + landing_bytes + padding)) {}

    [[nodiscard]] std::span<char> landing() noexcept { return {memory_.get() + room_, landing_bytes}; }

    /// `kept`, then the first `arrived` bytes of the landing area.
    [[nodiscard]] std::span<const char> window(std::span<const char> kept, std::size_t arrived) noexcept {
        HOLDFAST_CHECK(kept.size() <= room_);
        char* front = memory_.get() + room_ - kept.size();
        if (!kept.empty()) std::memcpy(front, kept.data(), kept.size());
        return {front, kept.size() + arrived};
    }

private:
    std::size_t room_;
    std::unique_ptr<char[]> memory_;
};

}  // namespace holdfast
