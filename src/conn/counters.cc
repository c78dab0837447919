#include "conn/counters.h"

namespace holdfast {

void HistogramCounter::observe(std::chrono::milliseconds value) noexcept {
    const double seconds = std::chrono::duration<double>(value).count();
    std::size_t bucket = 0;
    while (bucket < duration_bounds_s.size() && seconds > duration_bounds_s[bucket]) ++bucket;
    counts_[bucket].increment();
    sum_ms_.add(static_cast<std::uint64_t>(value.count()));
}

void HistogramCounter::add_to(DurationHistogram& sum) const noexcept {
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        cumulative += counts_[i].get();
        sum.counts[i] += cumulative;
    }
    sum.sum_s += static_cast<double>(sum_ms_.get()) / 1000;
}

}  // namespace holdfast
