#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "base/slot_table.h"
#include "conn/text_cell.h"
#include "conn/unfinished_item.h"

namespace holdfast {

/// What a connection that is being written to needs, and an idle one does not have.
struct Downlink {
    std::string queue;                         ///< framed bytes that the kernel had no room for
    std::size_t sent = 0;                      ///< of the queue's front
    std::uint64_t acked = 0;                   ///< bytes that the peer had acknowledged at the latest look
    Tick progress_at;                          ///< when that last grew while bytes were outstanding; 0: none are
    std::chrono::milliseconds longest_step{};  ///< longest time between two looks that saw progress
    bool watches_write = false;                ///< EPOLLOUT is armed
    bool user_timeout_raised = false;  ///< TCP_USER_TIMEOUT is longer than the plan's: the sweep keeps the bound
    bool rto_uncapped = false;         ///< TCP_RTO_MAX_MS has the kernel's default

    [[nodiscard]] std::size_t waiting() const noexcept { return queue.size() - sent; }
};

/// How far a connection has come. It only goes forward. Other facts are bits of their own.
enum class Stage : std::uint8_t {
    preamble,      ///< accepted; the handler does not know of it: see Preamble
    unidentified,  ///< the handler knows of it; its device has not said which one it is, and on most listeners need not
    open,          ///< its device has been identified
    closing,       ///< Core::close() was called; it is finalized at the end of the turn
};

/// One connection: a slot in its reactor's table. Idle, it owns a descriptor and nothing on the heap but its latest
/// key's text.
struct Connection : SlotHeader {
    int fd = -1;

    std::uint8_t listener = 0;
    std::uint8_t pending_error = 0;  ///< errno that a send took from the socket; judged once the last words are read

    Endpoint peer;
    Tick opened;     ///< when it was accepted
    Tick last_item;  ///< latest complete item, or opened

    /// Position in the order in which all reactors accepted connections, modulo 2^32: see accepted_before().
    std::uint32_t accept_order = 0;

    // Counters share their words with flags: the slot stays within 88 bytes. No connection reaches 2^52 bytes (4.5 PB)
    // or 2^44 items.
    std::uint64_t items : 44 = 0;
    Stage stage : 2 = Stage::preamble;
    bool under_watch : 1 = false;  ///< the sweep reads TCP_INFO: data may be unacknowledged, or a probe went unanswered
    bool read_again : 1 = false;   ///< the Receiver reads it later: its share of the turn was used up
    std::uint16_t bad_items_in_row : 16 = 0;

    std::uint64_t bytes_in : 52 = 0;
    // For asking the quiet ahead of the kernel (docs/decisions/0006).
    bool quiet : 1 = false;              ///< no traffic since the asking ring last came by
    bool asked_in_round : 1 = false;     ///< probed ahead of the kernel since then
    bool probe_forced : 1 = false;       ///< TCP_KEEPIDLE is lowered; the next look at those asked puts it back
    bool keepidle_moved : 1 = false;     ///< TCP_KEEPIDLE is not the plan's: see keepidle_after_probe
    bool suspect : 1 = false;            ///< it did not answer when its prefix was probed on suspicion: see Suspects
    bool counts_for_peer : 1 = false;    ///< see Admission::Pass
    bool counts_for_prefix : 1 = false;  ///< see Admission::Pass
    bool parting : 1 = false;            ///< FIN has been sent to it: see Drainer
    bool throttled : 1 = false;          ///< not read for now: its rate, or the memory it wants, is too large
    bool held : 1 = false;               ///< nothing is read, and what was kept waits, until Shard::release

    std::uint64_t bytes_out : 52 = 0;
    bool encrypted : 1 = false;   ///< its bytes go through the shard's TLS session for it
    bool peer_ended : 1 = false;  ///< FIN or RST has come, or the kernel has given the peer up
    // The stream handler's own notes.
    bool untold : 1 = false;  ///< its `connected` event has not been given yet
    bool spoke : 1 = false;   ///< its first item, or what should have been one, has been seen
    bool named : 1 = false;  ///< its device has been identified: `stage` does not say so in the preamble and at the end
    /// Tenths of a second from the TCP handshake to `opened`; max_backlog_wait: at least so many. See AcceptTime.
    std::uint8_t backlog_wait : 7 = 0;

    UnfinishedItemPtr unfinished;  ///< bytes of a started item
    std::unique_ptr<Downlink> downlink;
    TextCell key;  ///< of the latest item

    [[nodiscard]] bool is_opening() const noexcept { return stage == Stage::preamble; }
    [[nodiscard]] bool is_closing() const noexcept { return stage == Stage::closing; }
    /// Notes that the device has been identified, in the preamble by its certificate.
    void identify() noexcept {
        named = true;
        if (stage == Stage::unidentified) stage = Stage::open;
    }
    void count_item() noexcept { items = (items + 1) & ((std::uint64_t{1} << 44) - 1); }
    void count_bytes_in(std::size_t bytes) noexcept { bytes_in = (bytes_in + bytes) & max_bytes; }
    void count_bytes_out(std::size_t bytes) noexcept { bytes_out = (bytes_out + bytes) & max_bytes; }

    static constexpr std::uint8_t max_backlog_wait = 127;
    static constexpr std::uint64_t max_bytes = (std::uint64_t{1} << 52) - 1;
};

/// Returns true if the connection with `order` was accepted before the one with `other`. Orders wrap: two connections
/// are compared rightly while fewer than 2^31 accepts lie between them.
[[nodiscard]] constexpr bool accepted_before(std::uint32_t order, std::uint32_t other) noexcept {
    return static_cast<std::int32_t>(order - other) < 0;
}

/// When a connection began, as far as a slot can say it. Each reactor accepts from a queue of its own, so that a
/// connection may be accepted after one that was established later: what the kernel has measured goes before the order
/// of accept wherever the two times are further apart than their error.
struct AcceptTime {
    SteadyTime established{};  ///< by the kernel, to a tenth of a second either way
    bool or_earlier = false;   ///< it was established then or before
    std::uint32_t accept_order = 0;
};
[[nodiscard]] constexpr bool accepted_before(const AcceptTime& one, const AcceptTime& other) noexcept {
    constexpr std::chrono::milliseconds error{200};
    if (one.established + error < other.established && !other.or_earlier) return true;
    if (other.established + error < one.established && !one.or_earlier) return false;
    return accepted_before(one.accept_order, other.accept_order);
}

/// Bytes on the heap that a connection holds in buffers.
[[nodiscard]] inline std::size_t buffered(const Connection& connection) noexcept {
    const std::size_t unfinished = connection.unfinished ? connection.unfinished->capacity : 0;
    return unfinished + (connection.downlink ? connection.downlink->queue.size() : 0);
}

// P7: the promise is 120 bytes of user memory for an idle connection, everything included. The slot is nearly all of
// it; what remains is page rounding and the allocator. See docs/explanation/performance.md.
static_assert(sizeof(Connection) <= 88);

}  // namespace holdfast
