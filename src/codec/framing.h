#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/codec.h>
#include <holdfast/config.h>

namespace holdfast {

/// State of the scan of an unfinished item, so that each byte is read once, however the bytes arrive. All zero at an
/// item's boundary. Kept beside the unfinished bytes.
struct FrameScan {
    std::uint32_t scanned : 31 = 0;     ///< bytes of the window that are already scanned
    std::uint32_t drops : 1 = 0;        ///< the window continues an item that is too large and is dropped
    std::uint32_t depth : 29 = 0;       ///< json: depth of nested brackets
    std::uint32_t in_string : 1 = 0;    ///< json: inside a string
    std::uint32_t escaped : 1 = 0;      ///< json: the previous byte was a backslash in a string
    std::uint32_t after_value : 1 = 0;  ///< json: a value or name has ended, so none may begin before a comma or colon

    constexpr void set_scanned(std::size_t bytes) noexcept {
        scanned = static_cast<std::uint32_t>(bytes) & ((std::uint32_t{1} << 31) - 1);
    }
    friend bool operator==(const FrameScan&, const FrameScan&) = default;
};

/// Rules by which a stream is cut into items. A value; views its delimiter.
struct FrameRules {
    Framing framing{};
    std::string_view delimiter = {};  ///< ndjson: ends each item in place of a line end; empty: a line end
    bool arrays = false;              ///< json: an item may be an array
    bool drops = false;               ///< an item that is too large is dropped to its end
    bool trims = true;                ///< white space around an item is no part of it, as in JSON
    LengthField length_field = {};    ///< of length_field

    /// Returns true if an item begins with its length.
    [[nodiscard]] bool are_counted() const noexcept {
        return framing == Framing::length || framing == Framing::length_field;
    }
};

/// Cuts the next frame out of `window`, which starts at an item's boundary. Offsets count from the start of the window.
/// `scan` is all zero at a boundary; the function updates it for `partial` and zeroes it otherwise. With `rules.drops`
/// it also updates `scan` for a `too_large` item that has not ended. The next frame is then `skipped`, or `partial`
/// with scan.drops, which keeps at most 64 bytes. After `partial` the caller drops window[0, next) and passes
/// window[next, ...) again, followed by new bytes. Then scan.scanned counts from window[next]. If nothing remains, next
/// == window.size(). Pure; any thread; windows and max_bytes below 256 MiB.
///
/// ndjson: white space before an item is not part of it. White space after it counts towards max_bytes, the line end
///   (LF or CRLF) or delimiter does not. A line of only white space is not an item.
/// json: brackets are counted, not matched: `{]` is an item here and not_json in the decoder, whose caller then uses
///   resync_after(). The scan finds malformed: a byte that cannot start an object, a backslash outside a string,
///   and an object or string where none can begin. A raw control byte in a string is malformed, too, so that an
///   unclosed quote is found at the end of the line. An unclosed object is therefore dropped as soon as the next one
///   starts, which is kept if it starts on its own line.
/// length, length_field: a frame without an item's byte is not an item. A length that contradicts the header is
///   malformed, and framing resumes behind the header.
[[nodiscard]] Frame next_frame(const FrameRules& rules, std::span<const char> window, FrameScan& scan,
                               std::size_t max_bytes);
[[nodiscard]] inline Frame next_frame(Framing framing, std::span<const char> window, FrameScan& scan,
                                      std::size_t max_bytes) {
    return next_frame(FrameRules{.framing = framing}, window, scan, max_bytes);
}

/// Size of the length before each item of the framing `length`.
inline constexpr std::size_t length_header = 4;

/// Returns the bytes of an item's header up to the end of its length. Pure.
[[nodiscard]] constexpr std::size_t header_size(const FrameRules& rules) noexcept {
    const LengthField& field = rules.length_field;
    return rules.framing == Framing::length_field ? std::size_t{field.offset} + field.width : length_header;
}

/// Returns the bytes at the front of a counted frame that are no part of its item. Pure.
[[nodiscard]] constexpr std::size_t strip_of(const FrameRules& rules) noexcept {
    return rules.framing == Framing::length_field ? rules.length_field.strip : length_header;
}

/// Returns the size that the length of a counted item announces, whose header is at the front of `frame`. Pure.
[[nodiscard]] std::size_t announced_size(const FrameRules& rules, std::span<const char> frame) noexcept;

/// Length of the longest delimiter.
inline constexpr std::size_t max_delimiter = 8;

/// Returns the start of the text of a stream: behind a UTF-8 byte order mark, or 0. Returns nullopt if the bytes so far
/// are the beginning of one. Pure.
[[nodiscard]] std::optional<std::size_t> skip_byte_order_mark(std::span<const char> stream) noexcept;

/// Returns where the json framing resumes after a malformed item: after the next line break at or after `from`. Returns
/// window.size() without a line break: framing resumes with the next bytes that arrive. Pure.
[[nodiscard]] std::size_t resync_after(std::span<const char> window, std::size_t from) noexcept;

/// Returns the last frame of a stream that its sender has ended. For ndjson, one whole object (by its brackets) with
/// only white space around it is an item, although its line end is missing. With rules.arrays an array is one, too.
/// Anything else is `partial`: [begin, end) without surrounding white space (length: all of it), empty if nothing
/// remains. Pure.
[[nodiscard]] Frame last_frame(const FrameRules& rules, std::span<const char> window) noexcept;
[[nodiscard]] inline Frame last_frame(Framing framing, std::span<const char> window) noexcept {
    return last_frame(FrameRules{.framing = framing}, window);
}

/// Returns true if `bytes` start with a whole JSON object (by its brackets), followed by only white space or the start
/// of another object. A client of the json framing leaves such bytes waiting in an ndjson connection. Pure.
[[nodiscard]] bool is_complete_object(std::string_view bytes) noexcept;

/// Appends one downlink item in that framing. In ndjson the raw line breaks of a JSON object (white space between
/// tokens) become spaces. In length_field the stripped bytes beside the length are zero; where the length is not among
/// them, the item has it already. Returns false and appends nothing if a receiver would cut another item. Causes are a
/// length that does not fit its field, an item's own length that is another, and a delimiter in the item. Pure.
bool append_framed(std::string& out, const FrameRules& rules, std::string_view item);
inline bool append_framed(std::string& out, Framing framing, std::string_view json_object) {
    return append_framed(out, FrameRules{.framing = framing}, json_object);
}

/// A built-in framing as a codec. Any thread.
class FramingCodec final : public Codec {
public:
    /// Copies the delimiter of the rules.
    explicit FramingCodec(const FrameRules& rules) : delimiter_(rules.delimiter), rules_(rules) {
        rules_.delimiter = delimiter_;
    }
    FramingCodec(const FramingCodec&) = delete;
    FramingCodec& operator=(const FramingCodec&) = delete;
    ~FramingCodec() override = default;

    [[nodiscard]] const FrameRules& rules() const noexcept { return rules_; }
    [[nodiscard]] Frame next(std::span<const char> window, CodecStream& stream) override;
    [[nodiscard]] Frame last(std::span<const char> window, CodecStream& stream) override;
    [[nodiscard]] bool append(std::string& out, std::string_view message) override {
        return append_framed(out, rules_, message);
    }

private:
    std::string delimiter_;
    FrameRules rules_;
};

}  // namespace holdfast
