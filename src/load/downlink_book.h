#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "load/load_counts.h"

namespace holdfast {

/// Who asks and who receives meet here: where each device is connected from, which downlinks are under way, and how
/// long they took. Any thread.
class DownlinkBook {
public:
    // The devices.
    void connected(std::uint64_t device, const Endpoint& from);
    void disconnected(std::uint64_t device);
    [[nodiscard]] std::optional<std::uint64_t> device_at(const Endpoint& from) const;
    [[nodiscard]] std::size_t devices() const;
    /// Raised with every connect and disconnect.
    [[nodiscard]] std::uint64_t version() const;

    /// The number, from 1, that the next downlink carries; its clock runs from `now`.
    [[nodiscard]] std::uint64_t ask(std::uint64_t device, SteadyTime now);
    /// The HTTP status; 202 is yes. Nothing: no answer came, so that it may or may not arrive.
    void answered(std::uint64_t number, std::optional<int> status);
    /// False: it was never asked for this device, was refused, or has arrived before.
    bool arrived(std::uint64_t number, std::uint64_t device, SteadyTime now);

    /// Until every accepted one has arrived, but not longer than `patience`.
    void wait_for_arrivals(std::chrono::milliseconds patience);
    /// `lost`: accepted and not arrived by now.
    [[nodiscard]] DownlinkCounts counts() const;

private:
    struct UnderWay {
        std::uint64_t device = 0;
        SteadyTime began;
        bool accepted = false;
        bool arrived = false;
        bool unanswered = false;
    };

    void forget_oldest();

    mutable std::mutex mutex_;
    std::condition_variable all_arrived_;
    std::map<Endpoint, std::uint64_t> device_at_;
    std::unordered_map<std::uint64_t, Endpoint> place_of_;
    std::uint64_t version_ = 0;
    std::map<std::uint64_t, UnderWay> under_way_;
    std::uint64_t awaited_ = 0;  ///< accepted and under way
    DownlinkCounts counts_;      ///< but for `lost`, which has only those that were forgotten
};

}  // namespace holdfast
