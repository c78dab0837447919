#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <holdfast/events.h>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

struct Connection;

/// The turn's time, taken once.
struct TurnTime {
    SteadyTime steady;
    WallTime wall;
    Tick tick;
};

/// Why a connection ended, with the evidence that was taken when it did.
struct Death {
    CloseReason reason{};
    int error = 0;
    std::string_view detail;  ///< static text, or empty
    Evidence evidence;
};

/// What became of a window of bytes.
struct Taken {
    std::size_t consumed = 0;        ///< of the window's front; the rest is an unfinished item, kept and offered again
    std::uint64_t scan = 0;          ///< the handler's note, given back with what was kept
    std::optional<CloseReason> end;  ///< the connection must end
    std::string_view detail;         ///< static text for its `closed` event
    bool hold = false;               ///< offer the rest, and read more, only after Shard::release
};

/// Which side ends a connection, or one direction of it.
enum class EndedBy : std::uint8_t { peer, gateway };

/// Whom a shard hands its connections' bytes to: it knows framings and sinks, a shard does not. All on the shard's
/// thread.
class StreamHandler {
public:
    virtual ~StreamHandler() = default;

    virtual void on_open(Connection& connection, Token number, const TurnTime& time) = 0;
    /// Just before on_open: a certificate that is good says which device it is.
    virtual void on_certified(Connection& connection, Token number, std::string_view id) = 0;
    /// `window` starts at an item's boundary and is followed by at least 64 readable bytes.
    [[nodiscard]] virtual Taken on_bytes(Connection& connection, Token number, std::span<const char> window,
                                         std::uint64_t scan, const TurnTime& time) = 0;
    /// The peer has ended its stream in order, and `window` is what is left of it, with padding as above. What is not
    /// consumed was no item.
    [[nodiscard]] virtual Taken on_last_bytes(Connection& connection, Token number, std::span<const char> window,
                                              const TurnTime& time) = 0;
    /// A connection that Taken::hold stopped ends: the peer has sent FIN or RST, or the gateway is about to end it. The
    /// handler releases the connection if it can, so that bytes that were sent before the end are not lost.
    virtual void on_end_while_held(Connection& connection, Token number, EndedBy by) = 0;
    /// It has been open for a second or more and is still `untold`.
    virtual void on_still_untold(Connection& connection, Token number, const TurnTime& time) = 0;
    virtual void on_close(Connection& connection, Token number, const Death& death, const TurnTime& time) = 0;
    virtual void on_turn_end() = 0;

    /// False: read no device now. Asked before each read.
    [[nodiscard]] virtual bool ready() = 0;
    /// A sentence for the `closed` event of a connection whose item was not finished in time; static text, may be
    /// empty.
    [[nodiscard]] virtual std::string_view why_unfinished(const Connection& connection) = 0;

    /// Accepting stopped for want of descriptors or memory, or goes on; once each.
    virtual void on_accept_paused(std::uint8_t listener, int error) = 0;
    virtual void on_accept_resumed(std::uint8_t listener) = 0;
};

}  // namespace holdfast
