#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "load/faults.h"
#include "load/latency.h"

namespace holdfast {

/// Downlinks that were asked of the gateway's admin side. A value; parts add up.
struct DownlinkCounts {
    std::uint64_t asked = 0;
    std::uint64_t accepted = 0;            ///< status 202
    std::map<int, std::uint64_t> refused;  ///< by another status
    std::uint64_t unanswered = 0;          ///< no status came; it may have arrived all the same
    std::uint64_t arrived = 0;             ///< whole, at the device that they were meant for
    std::uint64_t lost = 0;                ///< accepted and not arrived
    std::uint64_t acks = 0;                ///< items with which devices acknowledged them, handed to the kernel whole
    LatencyHistogram latency;              ///< from asking to arrival

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

/// Numbered items and what the gateway says of them. A value; parts add up.
struct UplinkCounts {
    std::uint64_t numbered = 0;   ///< made, each counted once
    std::uint64_t acked = 0;      ///< of those
    std::uint64_t repeated = 0;   ///< made once more, since a connection ended before their ack
    std::uint64_t nacks = 0;      ///< of bad items
    std::uint64_t gaps = 0;       ///< nacks for want of an item before: somebody counts wrong
    std::uint64_t forgotten = 0;  ///< times that the gateway resumed behind what it had acknowledged: a broken promise
    LatencyHistogram latency;     ///< from the first handing over to the ack

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

/// What a fleet, or one thread's part of it, has done so far. A value; parts add up.
struct LoadCounts {
    std::uint64_t connected = 0;          ///< now
    std::uint64_t connects = 0;           ///< that succeeded
    std::uint64_t reconnects = 0;         ///< of those, by a device that had been connected before
    std::uint64_t never_connected = 0;    ///< devices whose first try failed and that have not got through since
    std::map<int, std::uint64_t> failed;  ///< connects, by errno
    std::uint64_t items = 0;              ///< handed to the kernel whole
    std::uint64_t bad_items = 0;          ///< of those
    std::uint64_t items_missing = 0;      ///< that a connection still owed when it ended
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
