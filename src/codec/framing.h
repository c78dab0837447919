#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <holdfast/config.h>

namespace holdfast {

/// Where a scan of an unfinished item stopped, so that its bytes are looked at once however they arrive.
/// All zero at an item's boundary. Kept beside the unfinished bytes.
struct FrameScan {
    std::uint32_t scanned = 0;  ///< bytes of the window that need no second look
    std::uint16_t depth = 0;    ///< json: of nested brackets
    bool in_string = false;     ///< json
    bool escaped = false;       ///< json: the byte before was a backslash in a string
};

/// What stands at the front of the window.
struct Frame {
    enum class Kind : std::uint8_t {
        item,       ///< window[begin, end) is one framed item, not yet parsed
        malformed,  ///< json: window[begin, end) cannot start or continue an object; resynchronised at `next`
        too_large,  ///< the item exceeds max_bytes, finished or not
        partial,    ///< nothing more to cut; window[next, ...) must be kept and offered again in front of new bytes
    };
    Kind kind = Kind::partial;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t next = 0;  ///< where the following frame starts
};

/// Cuts the next frame out of `window`, which starts at an item's boundary (leading white space is skipped).
/// `scan` is all zero at a boundary; it is updated for `partial` and zeroed otherwise. Offsets count from window's start.
/// After `partial` the caller drops window[0, next) and offers window[next, ...) again, followed by what arrived since;
/// scan.scanned counts from window[next]. With nothing left, next == window.size(). Pure; any thread.
[[nodiscard]] Frame next_frame(Framing framing, std::span<const char> window, FrameScan& scan, std::size_t max_bytes);

}  // namespace holdfast
