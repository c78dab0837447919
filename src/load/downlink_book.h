#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "codec/framing.h"
#include "load/load_counts.h"

namespace holdfast {

/// A message of the gateway to a simulated device. The parser accepts only the gateway's own format: no white space,
/// fixed order of fields.
struct GatewayWord {
    enum class Kind : std::uint8_t {
        downlink,  ///< {"load_downlink":7}
        resume,    ///< {"resume":7}
        ack,       ///< {"ack":7}
        nack,      ///< {"nack":7,"reason":"no_key"}
        gap,       ///< {"nack":7,"reason":"gap","expected":5}
    };
    Kind kind{};
    std::uint64_t number = 0;

    friend bool operator==(const GatewayWord&, const GatewayWord&) = default;
};

/// Returns nullopt for any other item. Pure.
[[nodiscard]] std::optional<GatewayWord> gateway_word(std::string_view item) noexcept;

/// Returns the downlink with this number: {"load_downlink":7}. Pure.
[[nodiscard]] std::string downlink_item(std::uint64_t number);

/// Holds a device's incomplete received item. A value; at most 64 KiB plus one read.
class DownlinkInbox {
public:
    /// Cuts received bytes into items and appends each GatewayWord. Other items, and bytes outside the framing, are
    /// skipped.
    void take(Framing framing, std::span<const char> arrived, std::vector<GatewayWord>& words);
    void clear();

private:
    std::string kept_;
    FrameScan scan_;
};

/// Shared by the asker and the devices: the address of each device, the downlinks under way, and their latencies. Any
/// thread.
class DownlinkBook {
public:
    // For the devices.
    void connected(std::uint64_t device, const Endpoint& from);
    void disconnected(std::uint64_t device);
    [[nodiscard]] std::optional<std::uint64_t> device_at(const Endpoint& from) const;
    [[nodiscard]] std::size_t devices() const;
    /// Returns a number that every connect and disconnect increments.
    [[nodiscard]] std::uint64_t version() const;

    /// Returns the number, from 1, of the next downlink. Its latency counts from `now`.
    [[nodiscard]] std::uint64_t request(std::uint64_t device, SteadyTime now);
    /// Records the HTTP status; 202 means accepted. nullopt: no answer, so the downlink may or may not arrive.
    void answered(std::uint64_t number, std::optional<int> status);
    /// Returns false if the downlink was not requested for this device, was refused, or has arrived before.
    bool arrived(std::uint64_t number, std::uint64_t device, SteadyTime now);

    /// Waits until every accepted downlink has arrived, at most for `timeout`.
    void wait_for_arrivals(std::chrono::milliseconds timeout);
    /// Returns the counts; `lost` are accepted downlinks that have not arrived.
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
    DownlinkCounts counts_;      ///< `lost` contains only the forgotten ones
};

}  // namespace holdfast
