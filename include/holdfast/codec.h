#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reactor_context.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Front of a window, as a codec cuts it. Offsets count from the start of the window: begin <= end <= next, except that
/// `next` of `partial` is where the kept bytes begin.
struct Frame {
    enum class Kind : std::uint8_t {
        partial,    ///< no further frame; window[next, ...) is kept and passed again, followed by new bytes
        item,       ///< window[begin, end) is an item
        skipped,    ///< window[0, next) is no item: a message for the codec alone, or the rest of a dropped item
        login,      ///< the device says who it is: CodecStream::id
        malformed,  ///< window[begin, end) breaks the protocol: a bad item; framing resumes at `next`
        too_large,  ///< window[begin, end) is an item, complete or not, of more than CodecStream::max_bytes
        end,        ///< the connection ends as CodecStream::close says
    };
    Kind kind = Kind::partial;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t next = 0;  ///< start of the following frame
};

/// A connection, as its codec sees it during a call. The codec reads the first members and may set the others before
/// it returns. Views that it sets are read before its next call.
struct CodecStream {
    ConnectionId conn = {};
    Endpoint peer = {};
    DeviceName device = {};     ///< empty before a login; valid during the call only
    std::size_t max_bytes = 0;  ///< of one item; 1 KiB before a device has authenticated, where that is required

    /// Set with `partial`: the codec's note about the kept bytes, with which it finds them again. 0 after other frames.
    std::uint64_t scan = 0;
    std::uint64_t state = 0;  ///< the codec's word for the whole connection, 0 at first; costs memory unless 0

    /// Bytes for the device. After an item they follow its handling: with a durable handler, once the item is durable.
    /// After a login they follow its acceptance.
    std::string_view answer = {};
    std::string_view item = {};   ///< the item, where it differs from the window's bytes
    std::string_view key = {};    ///< of the item, UTF-8; empty: as Payload says
    std::string_view id = {};     ///< of a login; 1 to 128 bytes of UTF-8 without control characters
    std::string_view token = {};  ///< secret of a login; empty: none
    CloseOrder close = {.reason = CloseReason::application};  ///< of the frame `end`
};

/// Cuts the byte stream of a listener's connections into frames: a protocol of the program's own. ListenerConfig::codec
/// makes one for each reactor, and its functions run on that reactor's thread. They must neither block nor throw, other
/// than std::bad_alloc. Limits, deadlines, TLS, the PROXY protocol, the budget of unfinished bytes and the one `closed`
/// event are those of the built-in framings.
class Codec {
public:
    virtual ~Codec() = default;

    /// Cuts the next frame. `window` is contiguous, is not empty, and begins at a frame's boundary. A frame that does
    /// not fit the window, or does not advance, closes the connection as `application`.
    [[nodiscard]] virtual Frame next(std::span<const char> window, CodecStream& stream) = 0;

    /// Cuts the kept bytes of a stream that the peer has ended with FIN. By default they are an unfinished item.
    [[nodiscard]] virtual Frame last(std::span<const char> window, CodecStream&) {
        return {Frame::Kind::partial, 0, window.size(), 0};
    }

    /// Appends a message of Server::send() or ReactorContext::send(), framed for the device. By default as it is.
    /// Returns false for a message that the protocol has no form for, such as one that is longer than its length field
    /// can state. Nothing is sent then, and the sender gets SendOutcome::unencodable.
    [[nodiscard]] virtual bool append(std::string& out, std::string_view message) {
        out += message;
        return true;
    }
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
