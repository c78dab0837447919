#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// Fault of a simulated device, at most one per device.
enum class Fault : std::uint8_t {
    none,
    silence,    ///< from some moment on nothing leaves the device, not even from its kernel: a pulled plug
    reset,      ///< ends its connection with RST
    stall,      ///< never reads, with the smallest receive buffer; its kernel still answers
    slow,       ///< writes a byte at a time
    half_item,  ///< writes half an item and then nothing more
};
inline constexpr std::size_t fault_count = 6;
inline constexpr std::array<Fault, fault_count> all_faults{Fault::none,  Fault::silence, Fault::reset,
                                                           Fault::stall, Fault::slow,    Fault::half_item};

[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

/// Shares of the devices, 0 to 1, by Fault; `none` is the rest.
using FaultShares = std::array<double, fault_count>;

/// Rejects shares outside 0 to 1, and a sum above 1. Pure; any thread.
[[nodiscard]] Result<FaultShares> check_shares(const FaultShares& shares);

/// Returns the device's fault. Pure; any thread.
[[nodiscard]] Fault draw_fault(std::uint64_t seed, std::uint64_t device, const FaultShares& shares) noexcept;

/// Returns the delay of the device's fault after its nth connect, uniformly distributed within `within`. Pure; any
/// thread.
[[nodiscard]] std::chrono::milliseconds draw_strike(std::uint64_t seed, std::uint64_t device, std::uint64_t nth,
                                                    std::chrono::milliseconds within) noexcept;

/// Histogram of durations in buckets that are at most 1/32 of their value wide. A value: can be copied and added.
class LatencyHistogram {
public:
    void observe(std::chrono::microseconds latency, std::uint64_t times = 1) noexcept;
    LatencyHistogram& operator+=(const LatencyHistogram& other) noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::chrono::microseconds longest() const noexcept { return longest_; }
    /// Returns the latency that `share` (0 to 1) of all did not exceed, to the bucket; 0 if there are none.
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

/// Downlinks requested from the gateway's admin API. A value; parts add up.
struct DownlinkCounts {
    std::uint64_t asked = 0;
    std::uint64_t accepted = 0;            ///< status 202
    std::map<int, std::uint64_t> refused;  ///< with another status
    std::uint64_t unanswered = 0;          ///< no status; the downlink may have arrived
    std::uint64_t arrived = 0;             ///< complete, at the right device
    std::uint64_t lost = 0;                ///< accepted but not arrived
    std::uint64_t acks = 0;    ///< items with which devices acknowledged downlinks, handed to the kernel completely
    LatencyHistogram latency;  ///< from request to arrival

    DownlinkCounts& operator+=(const DownlinkCounts& other) {
        asked += other.asked;
        accepted += other.accepted;
        for (const auto& [status, count] : other.refused) refused[status] += count;
        unanswered += other.unanswered;
        arrived += other.arrived;
        lost += other.lost;
        acks += other.acks;
        latency += other.latency;
        return *this;
    }
};

/// Numbered items and their acknowledgements. A value; parts add up.
struct UplinkCounts {
    std::uint64_t numbered = 0;   ///< each counted once
    std::uint64_t acked = 0;      ///< of those
    std::uint64_t repeated = 0;   ///< sent again, since a connection ended before the ack
    std::uint64_t nacks = 0;      ///< for bad items
    std::uint64_t gaps = 0;       ///< nacks for a missing earlier item: one side counts wrong
    std::uint64_t forgotten = 0;  ///< times that the gateway resumed after an acknowledged item: a broken promise
    LatencyHistogram latency;     ///< from the first send to the ack

    UplinkCounts& operator+=(const UplinkCounts& other) {
        numbered += other.numbered;
        acked += other.acked;
        repeated += other.repeated;
        nacks += other.nacks;
        gaps += other.gaps;
        forgotten += other.forgotten;
        latency += other.latency;
        return *this;
    }
};

/// Counts of a fleet, or of one thread's part. A value; parts add up.
struct LoadCounts {
    std::uint64_t connected = 0;          ///< now
    std::uint64_t connects = 0;           ///< that succeeded
    std::uint64_t reconnects = 0;         ///< of those, by a device that was connected before
    std::uint64_t never_connected = 0;    ///< devices whose first try failed and that never connected since
    std::map<int, std::uint64_t> failed;  ///< connects, by errno
    std::uint64_t items = 0;              ///< handed to the kernel completely
    std::uint64_t bad_items = 0;          ///< of those
    std::uint64_t items_missing = 0;      ///< still owed by a connection when it ended
    std::uint64_t bytes_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t closed_by_peer = 0;                 ///< FIN
    std::uint64_t reset_by_peer = 0;                  ///< RST, or another error
    std::uint64_t turned_away = 0;                    ///< of both, within a second of the connect
    std::array<std::uint64_t, fault_count> struck{};  ///< by Fault
    LatencyHistogram connect_latency;
    DownlinkCounts downlinks;
    UplinkCounts uplinks;

    LoadCounts& operator+=(const LoadCounts& other) {
        connected += other.connected;
        connects += other.connects;
        reconnects += other.reconnects;
        never_connected += other.never_connected;
        for (const auto& [error, count] : other.failed) failed[error] += count;
        items += other.items;
        bad_items += other.bad_items;
        items_missing += other.items_missing;
        bytes_out += other.bytes_out;
        bytes_in += other.bytes_in;
        closed_by_peer += other.closed_by_peer;
        reset_by_peer += other.reset_by_peer;
        turned_away += other.turned_away;
        for (std::size_t i = 0; i < fault_count; ++i) struck[i] += other.struck[i];
        connect_latency += other.connect_latency;
        downlinks += other.downlinks;
        uplinks += other.uplinks;
        return *this;
    }
};

}  // namespace holdfast
