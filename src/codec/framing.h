#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/config.h>

namespace holdfast {

/// Where a scan of an unfinished item stopped, so that its bytes are looked at once however they arrive.
/// All zero at an item's boundary. Kept beside the unfinished bytes.
struct FrameScan {
    std::uint32_t scanned = 0;          ///< bytes of the window that need no second look
    std::uint32_t depth : 29 = 0;       ///< json: of nested brackets
    std::uint32_t in_string : 1 = 0;    ///< json
    std::uint32_t escaped : 1 = 0;      ///< json: the byte before was a backslash in a string
    std::uint32_t after_value : 1 = 0;  ///< json: a value or name has ended, so none may begin before a comma or colon
};

/// What stands at the front of the window.
struct Frame {
    enum class Kind : std::uint8_t {
        item,       ///< window[begin, end) is one framed item without white space around it, not yet parsed
        malformed,  ///< json: window[begin, end) cannot start or continue an object; taken up again at `next`
        too_large,  ///< the item exceeds max_bytes, finished or not
        partial,    ///< nothing more to cut; window[next, ...) must be kept and offered again in front of new bytes
    };
    Kind kind = Kind::partial;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t next = 0;  ///< where the following frame starts
};

/// Cuts the next frame out of `window`, which starts at an item's boundary. `scan` is all zero at a boundary; it is
/// updated for `partial` and zeroed otherwise. Offsets count from window's start. After `partial` the caller drops
/// window[0, next) and offers window[next, ...) again, followed by what arrived since; scan.scanned counts from
/// window[next]. With nothing left, next == window.size(). Pure; any thread; windows and max_bytes below 256 MiB.
///
/// ndjson: white space before an item is never part of it; white space after it counts towards max_bytes, the line end
///   (\n or \r\n) does not. A line of nothing but white space is no item.
/// json: brackets are counted, not matched: `{]` is an item here and not_json to the decoder, which then calls for
///   resync_after(). Found malformed here: a byte that cannot start an object, a raw control byte in a string (an
///   unclosed quote is found at the line's end), a backslash outside, and an object or string where none can begin. An
///   object never closed is therefore given up as soon as the next one starts, and that one is kept if it starts on a
///   line of its own.
/// length: a length of zero is an empty item, which the decoder calls not_json.
[[nodiscard]] Frame next_frame(Framing framing, std::span<const char> window, FrameScan& scan, std::size_t max_bytes);

/// The json framing's rule after an item that turned out malformed: behind the next line break at or after `from`, or
/// window.size() (start again with the next bytes that arrive). Pure.
[[nodiscard]] std::size_t resync_after(std::span<const char> window, std::size_t from) noexcept;

/// Judges what is left of a stream that its sender has ended. ndjson: one whole object, by its brackets, with nothing
/// but white space around it is an item, although its line end never came. Whatever else is left is `partial`: [begin,
/// end) without white space around it (length: all of it), empty if nothing is left. Pure.
[[nodiscard]] Frame last_frame(Framing framing, std::span<const char> window) noexcept;

/// Whether `bytes` start with a whole JSON object, by its brackets, followed by nothing but white space or the start
/// of another one: what a client of the json framing leaves waiting in an ndjson connection. Pure.
[[nodiscard]] bool is_complete_object(std::string_view bytes) noexcept;

/// Append one downlink item as `framing` wants it. `json_object` is valid JSON; in ndjson its raw line breaks (white
/// space between tokens) become spaces. Pure.
void append_framed(std::string& out, Framing framing, std::string_view json_object);

}  // namespace holdfast
