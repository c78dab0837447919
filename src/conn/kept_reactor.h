#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/slot_table.h"
#include "conn/connection.h"
#include "conn/counters.h"
#include "reactor/poller.h"

namespace holdfast {

/// Output of a connection that is lost when the process ends.
enum class LostOutput : std::uint8_t {
    none,
    whole,  ///< whole messages
    cut,    ///< a part of one was sent, or may have been: the stream is cut
};

/// Connections with queued output. Lists the first ones, and counts the rest. All zero at first.
class OwedOutput {
public:
    static constexpr std::size_t max_listed = 256;

    void add(Token number, bool is_cut) noexcept {
        const auto place = std::find(listed_.begin(), listed_.end(), 0U);
        place != listed_.end() ? static_cast<void>(*place = entry(number, is_cut)) : static_cast<void>(++unlisted_);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    void change(Token number, bool is_cut) noexcept {
        if (const auto place = find(number); place != listed_.end()) *place = entry(number, is_cut);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    void remove(Token number) noexcept {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        const auto place = find(number);
        place != listed_.end() ? static_cast<void>(*place = 0) : static_cast<void>(--unlisted_);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    [[nodiscard]] bool is_empty() const noexcept {
        return unlisted_ == 0 && std::all_of(listed_.begin(), listed_.end(), [](auto each) { return each == 0; });
    }
    /// Returns what the connection lost. Ask only if it has a Downlink.
    [[nodiscard]] LostOutput of(Token number) noexcept {
        const auto place = find(number);
        if (place == listed_.end()) return unlisted_ != 0 ? LostOutput::cut : LostOutput::none;
        return (*place & cut_mark) != 0 ? LostOutput::cut : LostOutput::whole;
    }

private:
    static constexpr std::uint64_t cut_mark = std::uint64_t{1} << 63;  // no number has this bit
    using Listed = std::array<std::uint64_t, max_listed>;

    [[nodiscard]] static std::uint64_t entry(Token number, bool is_cut) noexcept {
        return number | (is_cut ? cut_mark : 0);
    }
    [[nodiscard]] Listed::iterator find(Token number) noexcept {
        return std::find_if(listed_.begin(), listed_.end(),
                            [number](std::uint64_t each) { return (each & ~cut_mark) == number; });
    }

    Listed listed_{};
    std::uint64_t unlisted_ = 0;
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
    /// Number of the connection to which whole messages of `sending_size` bytes are being sent, or 0.
    std::uint64_t sending = 0;
    std::uint64_t sending_size = 0;

    static constexpr std::uint64_t at_line_end = std::uint64_t{1} << 63;  ///< no number has this bit
    /// Returns the mark of the connection in `handing_on`, or 0.
    [[nodiscard]] std::uint64_t handing_on_of(Token number) const noexcept {
        const auto found = std::find_if(handing_on.begin(), handing_on.end(),
                                        [number](std::uint64_t mark) { return (mark & ~at_line_end) == number; });
        return found == handing_on.end() ? 0 : *found;
    }
};

/// Facts about a slot that its adoption takes out of the slot, for the case that the adoption itself ends early. Bits.
struct AdoptionMark {
    static constexpr std::uint8_t lost_input = 1, lost_output = 2, cut_output = 4, encrypted = 8, parting = 16;
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
    std::byte* devices = nullptr;   ///< KeptDevice by slot
    std::uint8_t* marks = nullptr;  ///< AdoptionMark by slot
    ShardCounters* counters = nullptr;
    ListenerCounters* of_listeners = nullptr;  ///< by number of the listener
    const Heritage* heritage = nullptr;        ///< null: there is no earlier process

    /// Returns the counters of a listener; they outlive the shard.
    [[nodiscard]] std::shared_ptr<ListenerCounters> counters_of(std::size_t listener) const {
        if (of_listeners == nullptr) return std::make_shared<ListenerCounters>();
        return {std::shared_ptr<void>(), of_listeners + listener};
    }
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

/// Returns a mark that whole messages, of which `bytes` are left, are being sent to the connection.
[[nodiscard]] inline KeptMark mark_sending(KeptReactor& kept, Token number, std::size_t bytes) noexcept {
    kept.sending_size = bytes;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return {kept.sending, number};
}

/// Returns a mark that these bytes of the connection are handed on.
[[nodiscard]] inline KeptMark mark_handing_on(KeptReactor& kept, Token number, std::span<const char> bytes) noexcept {
    std::uint64_t& place = kept.handing_on[0] == 0 ? kept.handing_on[0] : kept.handing_on[1];
    const bool ends_line = !bytes.empty() && bytes.back() == '\n';
    return {place, number | (ends_line ? KeptReactor::at_line_end : 0)};
}

}  // namespace holdfast
