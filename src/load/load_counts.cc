#include "load/load_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "load/pace.h"

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
            return Error{std::string(to_string(fault)) + " is out of range; give a number from 0 to 1"};
        }
        sum += share;
    }
    if (sum > 1 + 1e-9) {
        return Error{"the shares of the faults add up to more than 1; lower some, as a device has one fault at most"};
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

std::size_t LatencyHistogram::bucket_of(std::uint64_t value) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= sub_bits + 1) return value;  // exact
    const unsigned shift = width - sub_bits - 1;
    return std::min(buckets - 1, (std::size_t{shift} << sub_bits) + (value >> shift));
}

std::uint64_t LatencyHistogram::highest_in(std::size_t bucket) noexcept {
    if (bucket < (2ULL << sub_bits)) return bucket;
    const auto shift = (bucket >> sub_bits) - 1;
    return (((bucket & ((1U << sub_bits) - 1)) + (1U << sub_bits) + 1) << shift) - 1;
}

void LatencyHistogram::observe(std::chrono::microseconds latency, std::uint64_t times) noexcept {
    const auto value = std::max<std::int64_t>(latency.count(), 0);
    counts_[bucket_of(static_cast<std::uint64_t>(value))] += times;
    count_ += times;
    longest_ = std::max(longest_, latency);
}

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    longest_ = std::max(longest_, other.longest_);
    return *this;
}

std::chrono::microseconds LatencyHistogram::percentile(double share) const noexcept {
    if (count_ == 0) return {};
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        seen += counts_[i];
        if (seen >= std::max<std::uint64_t>(wanted, 1)) {
            return std::min(longest_, std::chrono::microseconds(static_cast<std::int64_t>(highest_in(i))));
        }
    }
    return longest_;
}

}  // namespace holdfast
