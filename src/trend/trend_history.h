#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <holdfast/status.h>

#include "text/token_lines.h"
#include "trend/trend.h"

namespace holdfast {

/// Values of a listener's counters, or their growth.
struct TrendCounters {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::array<std::uint64_t, close_reason_count> closed{};
    std::uint64_t items = 0;
    std::uint64_t bad_items = 0;
};

[[nodiscard]] TrendCounters counters_of(const ListenerStatus& listener);

/// A TrendPoint in storage: its time follows from its place in the ring.
struct TrendSlot {
    std::uint32_t connections = 0;
    std::uint32_t fewest = 0;
    std::uint32_t max = 0;
    std::uint32_t accepted = 0;
    std::uint32_t refused = 0;
    std::uint32_t items = 0;
    std::uint32_t bad_items = 0;
    std::array<std::uint32_t, close_reason_count> closed{};

    void add(std::uint64_t now_connections, const TrendCounters& grown);
    friend bool operator==(const TrendSlot&, const TrendSlot&) = default;
};

/// Ring of the latest `capacity` slots of one `unit` each. Allocated at construction. A value; one thread.
class TrendRing {
public:
    TrendRing(std::chrono::seconds unit, std::size_t capacity) : unit_(unit), slots_(capacity) {}

    /// Adds a sample; samples of one unit share a slot. Units without a sample keep the previous number of connections.
    void add(std::chrono::sys_seconds at, std::uint64_t connections, const TrendCounters& grown);

    /// Returns the points of the last `window` up to the latest sample, of one `step` each; both are whole multiples of
    /// the unit.
    [[nodiscard]] std::vector<TrendPoint> points(std::chrono::seconds window, std::chrono::seconds step) const;

    /// Writes the slots as lines, equal ones in a row as one, and reads them back. Reading returns false if the lines
    /// are of another form.
    void write(TokenWriter& out) const;
    [[nodiscard]] bool read(TokenReader& in);

    [[nodiscard]] std::chrono::seconds unit() const { return unit_; }
    [[nodiscard]] std::chrono::sys_seconds latest() const { return latest_; }

private:
    [[nodiscard]] const TrendSlot& back(std::size_t distance) const {
        return slots_[(newest_ + slots_.size() - distance) % slots_.size()];
    }
    TrendSlot& push(std::uint64_t connections);
    [[nodiscard]] TrendPoint sum(std::size_t farthest, std::size_t nearest) const;

    std::chrono::seconds unit_;
    std::vector<TrendSlot> slots_;
    std::size_t newest_ = 0;
    std::size_t used_ = 0;
    std::int64_t newest_unit_ = 0;     // since 1970
    std::chrono::sys_seconds latest_;  // time of the latest sample
};

/// History of one listener, or of all. Owns two rings. One thread.
class TrendHistory {
public:
    static constexpr std::size_t fine_slots = 3'600;
    static constexpr std::size_t coarse_slots = 2'880;
    static constexpr std::size_t bytes = (fine_slots + coarse_slots) * sizeof(TrendSlot);

    /// Returns the growth of the counters since the last call, or their values if the listener is new.
    [[nodiscard]] TrendCounters grown(std::uint8_t number, const TrendCounters& now);
    void add(std::chrono::sys_seconds at, std::uint64_t connections, const TrendCounters& grown);
    /// Records that the listener is removed and has no connections.
    void add_absent(std::chrono::sys_seconds at);

    [[nodiscard]] TrendAnswer answer(std::chrono::seconds window, std::chrono::seconds step) const;

    void write(TokenWriter& out) const;
    /// Reads the rings of an earlier process. Until the first sample of this process there were no connections.
    [[nodiscard]] bool read(TokenReader& in);

    std::optional<EventTime> gone_since;

private:
    TrendRing fine_{std::chrono::seconds(1), fine_slots};
    TrendRing coarse_{std::chrono::minutes(1), coarse_slots};
    std::optional<std::uint8_t> number_;
    TrendCounters last_;
};

// 3,600 seconds and 2,880 minutes: docs/tasks/size-a-host.md states the cost of a listener's history. The bound leaves
// room for more reasons.
static_assert(sizeof(TrendSlot) == 28 + 4 * close_reason_count && TrendHistory::bytes < 1'000'000);

}  // namespace holdfast
