#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace holdfast {

/// What is usual for a count: learned from the last two hours, minute by minute. The minute that nine in ten do not
/// exceed stands for all, so that neither a deploy nor an outage of ten minutes becomes usual. A value; one thread.
class Usual {
public:
    static constexpr std::size_t minutes = 120;
    static constexpr std::size_t known_after = 10;  ///< minutes

    void add(std::uint64_t count) { current_ += count; }

    void end_minute() {
        counts_[next_] = static_cast<std::uint32_t>(std::min<std::uint64_t>(current_, UINT32_MAX));
        next_ = (next_ + 1) % minutes;
        used_ = std::min(used_ + 1, minutes);
        current_ = 0;
        std::array<std::uint32_t, minutes> sorted = counts_;
        const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((used_ - 1) * 9 / 10);
        std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(used_));
        a_minute_ = used_ < 3 ? 0 : *middle;
    }

    /// How many are usual in `time`.
    [[nodiscard]] double in(std::chrono::milliseconds time) const {
        return a_minute_ * std::chrono::duration<double, std::ratio<60>>(time).count();
    }
    /// False in the first minutes, when nothing is usual yet.
    [[nodiscard]] bool known() const { return used_ >= known_after; }

private:
    std::array<std::uint32_t, minutes> counts_{};
    std::size_t next_ = 0;
    std::size_t used_ = 0;
    std::uint64_t current_ = 0;
    double a_minute_ = 0;
};

}  // namespace holdfast
