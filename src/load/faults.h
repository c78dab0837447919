#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// Fault of a simulated device, at most one per device.
enum class Fault : std::uint8_t {
    none,
    silence,    ///< from some moment on nothing leaves the device, not even from its kernel: a pulled plug
    reset,      ///< ends its connection with RST
    stall,      ///< never reads, with the smallest receive buffer; its kernel still answers
    slow,       ///< writes a byte at a time
    half_item,  ///< writes half an item and then nothing more
};
inline constexpr std::size_t fault_count = 6;
inline constexpr std::array<Fault, fault_count> all_faults{Fault::none,  Fault::silence, Fault::reset,
                                                           Fault::stall, Fault::slow,    Fault::half_item};

[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

/// Shares of the devices, 0 to 1, by Fault; `none` is the rest.
using FaultShares = std::array<double, fault_count>;

/// Rejects shares outside 0 to 1, and a sum above 1. Pure; any thread.
[[nodiscard]] Result<FaultShares> check_shares(const FaultShares& shares);

/// Returns the device's fault. Pure; any thread.
[[nodiscard]] Fault draw_fault(std::uint64_t seed, std::uint64_t device, const FaultShares& shares) noexcept;

/// Returns the delay of the device's fault after its nth connect, uniformly distributed within `within`. Pure; any
/// thread.
[[nodiscard]] std::chrono::milliseconds draw_strike(std::uint64_t seed, std::uint64_t device, std::uint64_t nth,
                                                    std::chrono::milliseconds within) noexcept;

}  // namespace holdfast
