#include "load/device.h"

#include <algorithm>

namespace holdfast {

void Unacked::made(std::uint64_t seq, SteadyTime at) {
    if (seq <= highest_) return;
    highest_ = seq;
    batches_.push_back({seq, at});
}

std::uint64_t Unacked::acknowledge(std::uint64_t seq, SteadyTime now, LatencyHistogram& latency) {
    const std::uint64_t before = acked_;
    const std::uint64_t until = std::min(seq, highest_);
    while (acked_ < until) {
        const Batch& batch = batches_[head_];
        const std::uint64_t covered = std::min(batch.last, until);
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - batch.at);
        latency.observe(took, covered - acked_);
        acked_ = covered;
        if (covered == batch.last) ++head_;
    }
    if (head_ == batches_.size()) {
        std::vector<Batch>().swap(batches_);  // releases the memory of an idle device
        head_ = 0;
    } else if (head_ > batches_.size() / 2) {
        batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
    return acked_ - before;
}

}  // namespace holdfast
