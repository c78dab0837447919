#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/reason.h>
#include <holdfast/watch.h>

#include "model/reason_row.h"

namespace holdfast {

struct DeathRecord {
    IpAddress peer;
    std::chrono::steady_clock::time_point at;
    CloseReason reason{};
    std::uint8_t listener = 0;  ///< ListenerStatus::number
};

/// Stores the latest ended connections with their addresses, at most `max` (8 MB), oldest first. The counters also
/// include ends without room here. A value; one thread.
class DeathLog {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::size_t max = 262'144;

    /// Records a `closed` observation that has a class.
    void note(const Observation& observation);
    void forget_before(Time time);
    [[nodiscard]] std::vector<DeathRecord> of(std::uint8_t listener, Time since) const;
    [[nodiscard]] std::size_t size() const { return deaths_.size(); }

private:
    std::deque<DeathRecord> deaths_;
};

}  // namespace holdfast
