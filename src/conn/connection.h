#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "base/slot_table.h"
#include "conn/message_bounds.h"
#include "model/identity.h"

namespace holdfast {

/// Stores a short text in one pointer, without the heap while empty. Keeps the first 255 bytes of a longer text. Suits
/// a connection's latest key, which is compared with each item's and rarely changes.
class InlineString {
public:
    InlineString() = default;
    InlineString(const InlineString&) = delete;
    InlineString& operator=(const InlineString&) = delete;
    ~InlineString() { std::free(text_); }

    [[nodiscard]] std::string_view view() const noexcept {
        return text_ == nullptr ? std::string_view()
                                : std::string_view(text_ + 1, static_cast<unsigned char>(text_[0]));
    }

    /// Stores `text`. Throws std::bad_alloc.
    void assign(std::string_view text) {
        text = text.substr(0, max_size);
        if (text == view()) return;
        auto* fresh = static_cast<char*>(std::malloc(text.size() + 1));
        if (fresh == nullptr) throw std::bad_alloc();
        fresh[0] = static_cast<char>(static_cast<unsigned char>(text.size()));
        std::memcpy(fresh + 1, text.data(), text.size());
        std::free(std::exchange(text_, fresh));
    }
    /// Drops a pointer into the memory of an earlier process.
    void disown() noexcept { text_ = nullptr; }

    static constexpr std::size_t max_size = 255;

private:
    char* text_ = nullptr;
};

/// Bytes of a partial item, in one heap block that is freed when the item is complete.
struct UnfinishedItem {
    std::uint64_t scan = 0;  ///< the stream handler's position in the bytes
    Tick began;              ///< arrival of the item's first byte
    std::uint32_t size = 0;
    std::uint32_t capacity = 0;

    [[nodiscard]] char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] std::span<const char> bytes() const noexcept {
        return {reinterpret_cast<const char*>(this + 1), size};
    }
};

struct FreeUnfinishedItem {
    void operator()(UnfinishedItem* item) const noexcept { std::free(item); }
};
using UnfinishedItemPtr = std::unique_ptr<UnfinishedItem, FreeUnfinishedItem>;

/// Appends to `item`, which is allocated or grown as needed. Growth doubles the capacity, so that single bytes take
/// linear time. Returns false without memory; `item` is unchanged then.
[[nodiscard]] bool append(UnfinishedItemPtr& item, std::span<const char> bytes) noexcept;
/// Returns the bytes by which append() of `count` bytes grows the capacity.
[[nodiscard]] std::size_t growth_by(const UnfinishedItemPtr& item, std::size_t count) noexcept;

/// State of a connection with queued or unacknowledged output. An idle connection has none.
struct Downlink {
    std::string queue;                         ///< framed bytes that did not fit into the send buffer
    std::size_t sent = 0;                      ///< bytes at the queue's front that were sent
    MessageBounds bounds;                      ///< of the queue, if it is kept for another process
    std::uint64_t acked = 0;                   ///< bytes that the peer had acknowledged at the latest check
    Tick progress_at;                          ///< latest growth of `acked` while bytes were outstanding; 0: none are
    Tick held_up_at;                           ///< latest check that found the bytes held up by the peer's window
    Tick in_flight_at;                         ///< latest check that found some of them in flight instead
    std::chrono::milliseconds longest_step{};  ///< longest time between two checks that saw progress
    bool watches_write = false;                ///< EPOLLOUT is armed
    bool user_timeout_raised = false;  ///< TCP_USER_TIMEOUT exceeds the plan's; the sweep keeps the limit instead
    bool rto_uncapped = false;         ///< TCP_RTO_MAX_MS has the kernel's default

    [[nodiscard]] std::size_t waiting() const noexcept { return queue.size() - sent; }
    /// Appends to the queue. Removes what was sent once it is half of the queue, which a slow peer may never empty.
    void append(std::string_view framed) {
        if (sent > queue.size() / 2) queue.erase(0, std::exchange(sent, 0));
        queue.append(framed);
    }
    void drop_queue() noexcept {
        queue = std::string();
        sent = 0;
        bounds = {};
    }
    void forget_progress() noexcept { progress_at = held_up_at = in_flight_at = Tick{}; }
};

/// Phase of a connection. Moves forward, except that a refused claim turns `open` back. Independent facts are bits.
enum class Stage : std::uint8_t {
    preamble,      ///< accepted, and unknown to the handler; see Preamble
    unidentified,  ///< known to the handler; the device has stated no id, which most listeners allow
    open,          ///< the device is identified
    closing,       ///< Core::close() was called; finalized at the end of the turn
};

/// A connection: a slot in its reactor's table. When idle it owns a descriptor and, on the heap, only the text of its
/// latest key.
struct Connection : SlotHeader {
    int fd = -1;

    std::uint8_t listener = 0;
    std::uint8_t pending_error = 0;  ///< errno that a send took from the socket; used once the last bytes are read

    Endpoint peer;
    Tick opened;     ///< time of accept
    Tick last_item;  ///< latest complete item, or `opened`

    /// Position in the order in which all reactors accepted connections, modulo 2^32: see accepted_before().
    std::uint32_t accept_order = 0;

    // Counters share their words with flags to keep the slot within 88 bytes. No connection reaches 2^52 bytes (4.5 PB)
    // or 2^44 items.
    std::uint64_t items : 44 = 0;
    Stage stage : 2 = Stage::preamble;
    bool under_watch : 1 = false;  ///< the sweep reads TCP_INFO: data may be unacknowledged, or a probe went unanswered
    bool read_again : 1 = false;   ///< the Receiver reads it later: its share of the turn is used up
    std::uint16_t bad_items_in_row : 16 = 0;

    std::uint64_t bytes_in : 52 = 0;
    // State of probing ahead of the kernel (docs/decisions/0006).
    bool quiet : 1 = false;              ///< no traffic since the latest pass of the probe ring
    bool probed_in_round : 1 = false;    ///< probed ahead of the kernel since that pass
    bool probe_forced : 1 = false;       ///< TCP_KEEPIDLE is lowered; end_forced_probe() restores it
    bool keepidle_moved : 1 = false;     ///< TCP_KEEPIDLE differs from the plan's; see keepidle_after_probe
    bool suspect : 1 = false;            ///< did not answer probes on suspicion; see Suspects
    bool counts_for_peer : 1 = false;    ///< see AdmissionGuard
    bool counts_for_prefix : 1 = false;  ///< see AdmissionGuard
    bool parting : 1 = false;            ///< FIN was sent; see Drainer
    bool throttled : 1 = false;          ///< reads are paused: rate exceeded, or memory pressure
    bool paused : 1 = false;             ///< reads and the kept bytes wait for Shard::release
    /// Identity of the device; `stage` does not show it in the preamble and while closing.
    Identity identity : 2 = Identity::none;

    std::uint64_t bytes_out : 52 = 0;
    bool encrypted : 1 = false;   ///< bytes pass through the shard's TLS session for it
    bool peer_ended : 1 = false;  ///< FIN or RST arrived, or the kernel gave the peer up
    // State of the stream handler.
    bool connected_pending : 1 = false;  ///< `connected` event not emitted yet
    bool spoke : 1 = false;              ///< first item, valid or not, received
    bool held : 1 = false;               ///< the embedding program holds it: as `paused`, until release_held()
    /// Tenths of a second from the TCP handshake to `opened`; max_backlog_wait means at least that. See AcceptTime.
    std::uint8_t backlog_wait : 7 = 0;

    UnfinishedItemPtr unfinished;  ///< bytes of a partial item
    std::unique_ptr<Downlink> downlink;
    InlineString key;  ///< key of the latest item

    [[nodiscard]] bool is_opening() const noexcept { return stage == Stage::preamble; }
    [[nodiscard]] bool is_closing() const noexcept { return stage == Stage::closing; }
    /// Returns true if it is not read and keeps its bytes.
    [[nodiscard]] bool is_paused() const noexcept { return paused || held; }
    [[nodiscard]] bool is_identified() const noexcept { return identity != Identity::none; }
    /// Records that the device is identified; in the preamble, its certificate identifies it.
    void identify(Identity as) noexcept {
        identity = as;
        if (stage == Stage::unidentified) stage = Stage::open;
    }
    /// Records that the claim to the id was refused.
    void unidentify() noexcept {
        identity = Identity::none;
        if (stage == Stage::open) stage = Stage::unidentified;
    }
    void count_item() noexcept { items = (items + 1) & ((std::uint64_t{1} << 44) - 1); }
    void count_bytes_in(std::size_t bytes) noexcept { bytes_in = (bytes_in + bytes) & max_bytes; }
    void count_bytes_out(std::size_t bytes) noexcept { bytes_out = (bytes_out + bytes) & max_bytes; }

    static constexpr std::uint8_t max_backlog_wait = 127;
    static constexpr std::uint64_t max_bytes = (std::uint64_t{1} << 52) - 1;
};

/// Returns true if the connection at position `order` was accepted before the one at `other`. Positions wrap: the
/// comparison is right while fewer than 2^31 accepts lie between them.
[[nodiscard]] constexpr bool accepted_before(std::uint32_t order, std::uint32_t other) noexcept {
    return static_cast<std::int32_t>(order - other) < 0;
}

/// Start time of a connection, as precisely as a slot stores it. Each reactor has its own accept queue, so a connection
/// may be accepted after a later established one. The kernel's measurement therefore takes precedence wherever two
/// times differ by more than their error.
struct AcceptTime {
    SteadyTime established{};  ///< time of the TCP handshake by the kernel, within a tenth of a second
    bool or_earlier = false;   ///< `established` is an upper bound
    std::uint32_t accept_order = 0;
};
[[nodiscard]] constexpr bool accepted_before(const AcceptTime& one, const AcceptTime& other) noexcept {
    constexpr std::chrono::milliseconds error{200};
    if (one.established + error < other.established && !other.or_earlier) return true;
    if (other.established + error < one.established && !one.or_earlier) return false;
    return accepted_before(one.accept_order, other.accept_order);
}

/// Returns the bytes on the heap that a connection holds in buffers.
[[nodiscard]] inline std::size_t buffered(const Connection& connection) noexcept {
    const std::size_t unfinished = connection.unfinished ? connection.unfinished->capacity : 0;
    if (!connection.downlink) return unfinished;
    return unfinished + connection.downlink->queue.size() + connection.downlink->bounds.memory();
}

// An idle connection takes at most 120 bytes of user memory in all. The slot is nearly all of it; page rounding and
// the allocator take the rest. See docs/explanation/performance.md.
static_assert(sizeof(Connection) <= 88);

}  // namespace holdfast
