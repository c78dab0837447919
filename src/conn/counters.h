#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include <holdfast/server.h>

namespace holdfast {

/// Written by one reactor's thread, read by any: no read-modify-write, no shared cache line between reactors.
class Counter {
public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void increment() noexcept { add(1); }
    void decrement() noexcept { add(~std::uint64_t{0}); }
    [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class HistogramCounter {
public:
    void observe(std::chrono::milliseconds value) noexcept;
    void add_to(DurationHistogram& sum) const noexcept;

private:
    std::array<Counter, duration_bounds_s.size() + 1> counts_;
    Counter sum_ms_;
};

/// One reactor's part of one listener's figures.
struct ListenerCounters {
    Counter connections;
    Counter accepted;  ///< that became connections
    Counter opening;   ///< of `connections`, those that are not open yet
    Counter health_checks;
    Counter handshakes;          ///< of TLS, under way
    Counter handshakes_full;     ///< done
    Counter handshakes_resumed;  ///< the same, by a ticket
    Counter handshakes_failed;
    HistogramCounter handshake;  ///< from accept to open, of those that were done
    std::array<Counter, refused_by_count> refused;
    Counter accept_delays;
    Counter refused_descriptors;
    Counter accept_paused;  ///< 1 while it is
    std::array<Counter, close_reason_count> closed;
    std::array<HistogramCounter, close_reason_count> detection;
    Counter found_late;
    Counter suspects;   ///< of `connections`, those that did not answer on suspicion
    Counter suspected;  ///< times that one was marked so
    Counter recovered;  ///< times that a suspect answered again
    HistogramCounter duration;
    Counter items;
    std::array<Counter, bad_item_count> bad_items;
    Counter unfinished_items;  ///< left over at the end of their connection
    Counter identified;        ///< connections whose device has said who it is
    Counter acks;
    Counter repeated_items;
    Counter gaps;
    Counter stale_claims;
    Counter delayed_claims;
    Counter accept_waiting;  ///< now
    Counter bytes_in;
    Counter bytes_out;

    /// Connections that the shard holds for the listener.
    [[nodiscard]] std::uint64_t held() const noexcept { return connections.get() + accept_waiting.get(); }
    /// Adds them to `sum`, which other reactors have added to.
    void add_to(ListenerStatus& sum) const noexcept;
};

/// One reactor's own figures.
struct ShardCounters {
    Counter probes_alive;
    Counter probes_silent;
    Counter asked_ahead;  ///< connections asked by the asking ring or as canaries
    Counter stale_commands;
    Counter reading_paused;  ///< 1 while it is
};

}  // namespace holdfast
