#include "load/pace.h"

#include <algorithm>

namespace holdfast {

std::uint64_t Pace::due(SteadyTime now) noexcept {
    credit_ += per_second_ * std::chrono::duration<double>(now - last_).count();
    credit_ = std::min(credit_, std::max(per_second_, 1.0));
    last_ = now;
    return credit_ < 1 ? 0 : static_cast<std::uint64_t>(credit_);
}

std::chrono::milliseconds backoff(unsigned tries, double share) noexcept {
    const double longest = std::min(100.0 * static_cast<double>(1U << std::min(tries, 16U)), 5'000.0);
    return std::chrono::milliseconds(static_cast<std::int64_t>(longest * (0.5 + share / 2)));
}

}  // namespace holdfast
