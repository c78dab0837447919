#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace holdfast {

/// How long things took, in buckets that are never wider than 1/32 of their value. A value: copy it, add it up.
class LatencyHistogram {
public:
    void observe(std::chrono::microseconds latency, std::uint64_t times = 1) noexcept;
    LatencyHistogram& operator+=(const LatencyHistogram& other) noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::chrono::microseconds longest() const noexcept { return longest_; }
    /// The latency that `share` (0 to 1) of all did not exceed, to the bucket; 0 when there are none.
    [[nodiscard]] std::chrono::microseconds percentile(double share) const noexcept;

private:
    static constexpr unsigned sub_bits = 5;
    static constexpr std::size_t buckets = (40 - sub_bits + 1) << sub_bits;  // up to 2^40 us, which is twelve days

    [[nodiscard]] static std::size_t bucket_of(std::uint64_t value) noexcept;
    [[nodiscard]] static std::uint64_t highest_in(std::size_t bucket) noexcept;

    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    std::chrono::microseconds longest_{};
};

}  // namespace holdfast
