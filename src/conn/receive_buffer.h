#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "base/check.h"

namespace holdfast {

/// Receive buffer of a reactor, for all its connections. Room in front of the landing area takes the kept bytes of a
/// partial item, so that both are contiguous without moving the new bytes. Padding behind the area is readable for a
/// parser.
class ReceiveBuffer {
public:
    static constexpr std::size_t landing_bytes = 64 * 1024;
    static constexpr std::size_t padding = 64;

    /// Allocates the buffer. The room in front also holds what a held connection keeps beside its partial item.
    explicit ReceiveBuffer(std::size_t max_unfinished)
        : room_(max_unfinished + landing_bytes), memory_(std::make_unique<char[]>(room_ + landing_bytes + padding)) {}

    [[nodiscard]] std::span<char> landing() noexcept { return {memory_.get() + room_, landing_bytes}; }

    /// Returns `kept` followed by the first `arrived` bytes of the landing area.
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
