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
    std::string queue;                 ///< framed bytes that the kernel had no room for
    std::size_t sent = 0;              ///< of the queue's front
    Tick stalled_since;                ///< the peer's window was first seen closed with bytes waiting; 0: it is open
    bool watches_write = false;        ///< EPOLLOUT is armed
    bool user_timeout_raised = false;  ///< `write_stall` is longer than the plan's TCP_USER_TIMEOUT

    [[nodiscard]] std::size_t waiting() const noexcept { return queue.size() - sent; }
};

/// One connection: a slot in its reactor's table. Idle, it owns a descriptor and nothing on the heap but its latest
/// key's text. Life: open -> dying (close() was called; first cause wins) -> reaped at the end of the turn, slot free.
struct Connection : SlotHeader {
    int fd = -1;

    std::uint8_t listener = 0;
    std::uint8_t pending_error = 0;  ///< errno that a send took from the socket; judged once the last words are read
    bool dying : 1 = false;
    bool under_watch : 1 = false;  ///< the sweep reads TCP_INFO: data may be unacknowledged, or a probe went unanswered
    bool read_again : 1 = false;   ///< in the shard's list: readable, but its share of the turn was used up

    // For asking the quiet ahead of the kernel (docs/decisions/0006).
    bool quiet : 1 = false;         ///< no traffic since the asking ring last came by
    bool probe_forced : 1 = false;  ///< TCP_KEEPIDLE is lowered; the next look at those asked puts it back

    bool overdue : 1 = false;   ///< the answer to its latest such question was late
    std::uint8_t slow : 2 = 0;  ///< it proved alive long after that, as sleeping devices do: silence does not judge it

    // The stream handler's own notes.
    bool untold : 1 = false;             ///< its `connected` event has not been given yet
    bool spoke : 1 = false;              ///< its first item, or what should have been one, has been seen
    bool named : 1 = false;              ///< its device has said who it is
    bool counts_for_peer : 1 = false;    ///< see Admission::Pass
    bool counts_for_prefix : 1 = false;  ///< the same
    bool throttled : 1 = false;          ///< not read for now: its rate, or the memory it wants, is too large
    bool held : 1 = false;               ///< nothing is read, and what was kept waits, until Shard::release or open
    bool encrypted : 1 = false;          ///< its bytes go through the shard's TLS session for it

    Tick opened;  ///< when it was accepted

    Endpoint peer;
    std::uint16_t bad_items_in_row = 0;
    Tick last_item;  ///< latest complete item, or opened

    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;

    UnfinishedItemPtr unfinished;  ///< bytes of a started item
    std::unique_ptr<Downlink> downlink;
    TextCell key;  ///< of the latest item
};

/// Bytes on the heap that a connection holds in buffers.
[[nodiscard]] inline std::size_t buffered(const Connection& connection) noexcept {
    const std::size_t unfinished = connection.unfinished ? connection.unfinished->capacity : 0;
    return unfinished + (connection.downlink ? connection.downlink->queue.size() : 0);
}

// P7: the promise is 120 bytes of user memory for an idle connection, everything included. The slot is nearly all of
// it; what remains is page rounding and the allocator. See docs/PERFORMANCE.md.
static_assert(sizeof(Connection) <= 88);

}  // namespace holdfast
