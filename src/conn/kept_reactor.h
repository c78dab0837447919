#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
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
    /// Number of the connection whose bytes are being handed on, or 0. These bytes are lost with the process.
    std::uint64_t handing_on = 0;
    char last_byte = 0;  ///< of these bytes
    OwedOutput owed;
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
    const Heritage* heritage = nullptr;  ///< null: there is no earlier process

    [[nodiscard]] SlotMemory memory() const noexcept {
        return record == nullptr ? SlotMemory{} : SlotMemory{slots, &record->table};
    }
};

/// Marks a connection while its bytes are handed on. A nested mark takes precedence.
class HandOnMark {
public:
    HandOnMark(KeptReactor& kept, Token number, char last_byte) noexcept : kept_(kept), outer_(kept.handing_on) {
        kept_.last_byte = last_byte;
        kept_.handing_on = number;
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    HandOnMark(const HandOnMark&) = delete;
    HandOnMark& operator=(const HandOnMark&) = delete;
    ~HandOnMark() {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        kept_.handing_on = outer_;
    }

private:
    KeptReactor& kept_;
    const std::uint64_t outer_;
};

}  // namespace holdfast
