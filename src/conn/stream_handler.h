#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <holdfast/events.h>

#include "base/clock.h"
#include "conn/kept_device.h"
#include "reactor/poller.h"

namespace holdfast {

struct Connection;

/// Time of the turn, read once.
struct TurnTime {
    SteadyTime steady;
    WallTime wall;
    Tick tick;
};

/// Reason of a close, with the evidence at that moment.
struct CloseInfo {
    CloseReason reason{};
    int error = 0;
    std::string_view detail;  ///< static text, a text of Core::details, or empty
    Evidence evidence;
    std::uint32_t code = 0;                           ///< the program's own, of CloseReason::application
    std::size_t decrypted_unread = 0;                 ///< bytes of TLS records that were decrypted and not read
    std::optional<std::size_t> handshake_bytes = {};  ///< read by a TLS handshake that did not complete
};

/// Result of passing a window of bytes to the handler.
struct ReadResult {
    std::size_t consumed = 0;        ///< bytes from the front; the rest is a partial item, kept and passed again
    std::uint64_t scan = 0;          ///< the handler's own position, returned with the kept bytes
    std::optional<CloseReason> end;  ///< reason to close the connection
    std::string_view detail;         ///< static text for its `closed` event
    bool hold = false;               ///< pass the rest, and read more, only after Shard::release
    bool same_item = false;          ///< the rest belongs to the item with which the window began
    bool in_array = false;           ///< the rest begins with a comma within an array: it is kept with '[' in its place
};

/// State that an earlier process left of a connection.
struct LeftStream {
    bool lost = false;         ///< bytes were read and not handed on, or only a part of them was
    bool at_line_end = false;  ///< the latest byte that was read is known to be a line feed
    bool ends = false;         ///< the connection ends, and its device is taken over for its `closed` event only
    const KeptDevice* device = nullptr;  ///< null: it stated no id
};

/// The side that ends a connection or one direction of it.
enum class EndedBy : std::uint8_t { peer, gateway };

/// Receives the bytes of a shard's connections. The handler knows framings and sinks; the shard does not. All calls on
/// the shard's thread.
class StreamHandler {
public:
    virtual ~StreamHandler() = default;

    virtual void on_open(Connection& connection, Token number, const TurnTime& time) = 0;
    /// Takes over a connection that an earlier process reported, or will report if it is `connected_pending`. Returns
    /// false if it cannot go on.
    [[nodiscard]] virtual bool on_adopt(Connection& connection, Token number, const LeftStream& left) {
        static_cast<void>(connection), static_cast<void>(number);
        return !left.lost;
    }
    /// Reports the id in a valid certificate, just before on_open().
    virtual void on_certified(Connection& connection, Token number, std::string_view id) = 0;
    /// Handles bytes. `window` starts at an item boundary, and at least 64 readable bytes follow it.
    [[nodiscard]] virtual ReadResult on_bytes(Connection& connection, Token number, std::span<const char> window,
                                              std::uint64_t scan, const TurnTime& time) = 0;
    /// Handles the rest of a stream that the peer ended in order. Padding follows `window` as above. Bytes that are not
    /// consumed were no item.
    [[nodiscard]] virtual ReadResult on_last_bytes(Connection& connection, Token number, std::span<const char> window,
                                                   const TurnTime& time) = 0;
    /// Reports that a connection held by ReadResult::hold ends: the peer sent FIN or RST, or the gateway is about to
    /// end it. The handler releases the connection if it can, so that bytes sent before the end are not lost.
    virtual void on_end_while_held(Connection& connection, Token number, EndedBy by) = 0;
    /// Returns true while answers to the connection's items are due, so that a peer that has sent FIN still gets them.
    /// The handler calls Shard::answered() when none is due any longer.
    [[nodiscard]] virtual bool owes_answers(const Connection& connection, Token number) = 0;
    /// Reports a connection that has been open for at least a second and is still `connected_pending`.
    virtual void on_connected_pending(Connection& connection, Token number, const TurnTime& time) = 0;
    /// Reports a connection with kept bytes of an item that has no end, since the peer has ended its stream. The bytes
    /// are freed then, and the connection goes on.
    virtual void on_left_over(Connection& connection, Token number) = 0;
    virtual void on_close(Connection& connection, Token number, const CloseInfo& info, const TurnTime& time) = 0;
    virtual void on_turn_end() = 0;

    /// Returns false if no device may be read now. Called before each read.
    [[nodiscard]] virtual bool ready() = 0;
    /// Returns a sentence for the `closed` event of a connection whose item was not finished in time. Static text, may
    /// be empty.
    [[nodiscard]] virtual std::string_view why_unfinished(const Connection& connection) = 0;

    /// Reports that accepting stopped for lack of descriptors or memory, and that it resumed. Once each.
    virtual void on_accept_paused(std::uint8_t listener, int error) = 0;
    virtual void on_accept_resumed(std::uint8_t listener) = 0;
};

}  // namespace holdfast
