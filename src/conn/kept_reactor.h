#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/slot_table.h"
#include "conn/connection.h"
#include "reactor/poller.h"

namespace holdfast {

/// Connections with queued output, of which a part may be sent: their stream is cut when the process ends. Lists the
/// first ones, and counts the rest. All zero at first.
struct OwedOutput {
    static constexpr std::size_t max_listed = 256;

    std::array<std::uint64_t, max_listed> listed{};
    std::uint64_t unlisted = 0;

    void add(Token number) noexcept {
        const auto place = std::find(listed.begin(), listed.end(), 0U);
        place != listed.end() ? static_cast<void>(*place = number) : static_cast<void>(++unlisted);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    void remove(Token number) noexcept {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        const auto place = std::find(listed.begin(), listed.end(), number);
        place != listed.end() ? static_cast<void>(*place = 0) : static_cast<void>(--unlisted);
    }
    /// Returns true if the connection may be one of them. Ask only if it has a Downlink.
    [[nodiscard]] bool may_have(Token number) const noexcept {
        return unlisted != 0 || std::find(listed.begin(), listed.end(), number) != listed.end();
    }
};

/// State of one reactor beside its connections, in memory that may outlive the process. The process may end at any
/// instruction. Written by the reactor's thread.
struct KeptReactor {
    SlotTableRecord table;
    std::int64_t started_ns = 0;  ///< start of the reactor's time line, of the steady clock
    /// Numbers of the connections whose bytes are being handed on, or 0. These bytes are lost with the process. With
    /// `at_line_end`, the latest of them is a line feed. Work on one may end another, which is read to its end.
    std::array<std::uint64_t, 2> handing_on{};
    /// Number of the connection that recv(2) may have read, while its bytes are not counted yet, or 0.
    std::uint64_t reading = 0;
    OwedOutput owed;

    static constexpr std::uint64_t at_line_end = std::uint64_t{1} << 63;  ///< no number has this bit
    /// Returns the mark of the connection in `handing_on`, or 0.
    [[nodiscard]] std::uint64_t handing_on_of(Token number) const noexcept {
        const auto found = std::find_if(handing_on.begin(), handing_on.end(),
                                        [number](std::uint64_t mark) { return (mark & ~at_line_end) == number; });
        return found == handing_on.end() ? 0 : *found;
    }
};

/// Facts about an earlier process whose connections a shard takes over.
struct Heritage {
    /// Present number of a listener by its former one, or `unknown`.
    std::array<std::int16_t, 256> listener_of;
    std::array<bool, 256> has_other_plan;  ///< by present number
    SteadyTime died_at;
    std::vector<int> strays;  ///< sockets that were accepted and have no slot; of the first reactor

    static constexpr std::int16_t unknown = -1;
};

/// Where a reactor keeps its state: of this process alone, if null.
struct KeptShard {
    KeptReactor* record = nullptr;
    std::byte* slots = nullptr;
    std::byte* devices = nullptr;        ///< KeptDevice by slot
    const Heritage* heritage = nullptr;  ///< null: there is no earlier process

    [[nodiscard]] SlotMemory memory() const noexcept {
        return record == nullptr ? SlotMemory{} : SlotMemory{slots, &record->table};
    }
};

/// Sets a mark in a KeptReactor until its own end. A nested one takes precedence.
class KeptMark {
public:
    KeptMark(std::uint64_t& mark, std::uint64_t value) noexcept : mark_(mark), outer_(mark) {
        mark_ = value;
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    KeptMark(const KeptMark&) = delete;
    KeptMark& operator=(const KeptMark&) = delete;
    ~KeptMark() {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        mark_ = outer_;
    }

private:
    std::uint64_t& mark_;
    const std::uint64_t outer_;
};

/// Returns a mark that these bytes of the connection are handed on.
[[nodiscard]] inline KeptMark mark_handing_on(KeptReactor& kept, Token number, std::span<const char> bytes) noexcept {
    std::uint64_t& place = kept.handing_on[0] == 0 ? kept.handing_on[0] : kept.handing_on[1];
    const bool ends_line = !bytes.empty() && bytes.back() == '\n';
    return {place, number | (ends_line ? KeptReactor::at_line_end : 0)};
}

}  // namespace holdfast
