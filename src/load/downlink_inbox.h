#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/framing.h"

namespace holdfast {

/// The downlink item that carries `number`: {"load_downlink":7}. Pure.
[[nodiscard]] std::string downlink_item(std::uint64_t number);
/// The number in such an item, as the gateway sends it: without white space. Pure.
[[nodiscard]] std::optional<std::uint64_t> downlink_number(std::string_view item) noexcept;

/// What one device has received of an item that is not whole yet. A value; at most 64 KiB and what arrives at once.
class DownlinkInbox {
public:
    /// Cuts what arrived into items and appends the numbers of those that carry one; others are passed over, and so is
    /// what is no item of the framing.
    void take(Framing framing, std::span<const char> arrived, std::vector<std::uint64_t>& numbers);
    void clear();

private:
    std::string kept_;
    FrameScan scan_;
};

}  // namespace holdfast
