#include "load/faults.h"

#include <string>

#include "load/draw.h"

namespace holdfast {

std::string_view to_string(Fault fault) noexcept {
    constexpr std::array<std::string_view, fault_count> words{"none", "silence", "reset", "stall", "slow", "half_item"};
    return words[static_cast<std::size_t>(fault)];
}

Result<FaultShares> check_shares(const FaultShares& shares) {
    double sum = 0;
    for (const Fault fault : all_faults) {
        const double share = shares[static_cast<std::size_t>(fault)];
        if (!(share >= 0 && share <= 1)) {
            return Error{std::string(to_string(fault)) + " is a share of the devices: give a number from 0 to 1"};
        }
        sum += share;
    }
    if (sum > 1 + 1e-9) {
        return Error{"the shares of the faults add up to more than 1: a device has one fault at most; lower some"};
    }
    return shares;
}

Fault draw_fault(std::uint64_t seed, std::uint64_t device, const FaultShares& shares) noexcept {
    double left = draw_share(seed, DrawFor::fault, device);
    for (const Fault fault : all_faults) {
        if (fault == Fault::none) continue;
        left -= shares[static_cast<std::size_t>(fault)];
        if (left < 0) return fault;
    }
    return Fault::none;
}

std::chrono::milliseconds draw_strike(std::uint64_t seed, std::uint64_t device, std::uint64_t nth,
                                      std::chrono::milliseconds within) noexcept {
    const double share = draw_share(seed, DrawFor::strike, device, nth);
    return std::chrono::milliseconds(static_cast<std::int64_t>(share * static_cast<double>(within.count())));
}

}  // namespace holdfast
