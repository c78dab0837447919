#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "load/latency.h"

namespace holdfast {

/// The numbered items of one device that no ack covers yet, and when each was first handed over; the items themselves
/// can be made again. A value; its fleet's thread.
class Unacked {
public:
    /// Everything up to `seq` has been made; a number that had been made before keeps its time.
    void made(std::uint64_t seq, SteadyTime at);
    /// Returns how many items that covers for the first time, and observes how long each took.
    std::uint64_t acknowledge(std::uint64_t seq, SteadyTime now, LatencyHistogram& latency);

    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }  ///< made
    [[nodiscard]] std::uint64_t acked() const noexcept { return acked_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return highest_ - acked_; }

private:
    struct Batch {
        std::uint64_t last = 0;
        SteadyTime at;
    };

    std::uint64_t acked_ = 0;
    std::uint64_t highest_ = 0;
    std::size_t head_ = 0;  // of `batches_`: those before it are done
    std::vector<Batch> batches_;
};

}  // namespace holdfast
