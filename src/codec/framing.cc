#include "codec/framing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "codec/json_scan.h"
#include "codec/one_line.h"

namespace holdfast {

namespace {

/// Returns where an item may begin: behind white space, or with `trims` = false behind empty lines only.
std::size_t start_of_line(std::span<const char> window, bool trims) noexcept {
    if (trims) return skip_json_space(window, 0);
    std::size_t at = 0;
    for (; at < window.size(); ++at) {
        const bool is_pair = window[at] == '\r' && at + 1 < window.size() && window[at + 1] == '\n';
        if (window[at] != '\n' && !is_pair) break;
    }
    return at;
}

Frame item_frame(std::span<const char> window, std::size_t begin, std::size_t end, std::size_t next) noexcept {
    while (end > begin && is_json_space(window[end - 1])) --end;
    return {Frame::Kind::item, begin, end, next};
}

// An unfinished line is too large once no later line end could make it small enough: a CR may be half of a line end.
bool line_too_large(std::span<const char> window, std::size_t begin, std::size_t end, std::size_t max_bytes) {
    const std::size_t length = end - begin;
    if (length <= max_bytes) return false;
    return length > max_bytes + 1 || window[end - 1] != '\r';
}

// Bytes of a dropped item that stay, so that the scan goes on in the next window: it may look back as far.
constexpr std::size_t kept_of_dropped = 64;

/// Reports an item as too large, of which the window holds the first part. With rules.drops, the scan goes on from the
/// last `keep` bytes of the part up to `end`; the caller has set the rest of `scan`.
Frame too_large(std::span<const char> window, std::size_t begin, std::size_t end, std::size_t keep, FrameScan& scan) {
    scan.drops = 1;
    scan.set_scanned(keep);
    return {Frame::Kind::too_large, begin, window.size(), end - keep};
}

/// Returns a line as it is, without its line end.
Frame whole_line(std::span<const char> window, std::size_t begin, std::size_t end, std::size_t next) noexcept {
    if (end > begin && window[end - 1] == '\r') --end;
    // An empty line whose CR arrived before its LF is none, like any other.
    return {end > begin ? Frame::Kind::item : Frame::Kind::skipped, begin, end, next};
}

Frame next_line(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::size_t begin = scan.scanned != 0 ? 0 : start_of_line(window, rules.trims);
    const std::size_t from = begin + scan.scanned;
    scan = {};
    if (from >= window.size() && begin == window.size()) return {Frame::Kind::partial, begin, begin, begin};

    const void* found = from < window.size() ? std::memchr(window.data() + from, '\n', window.size() - from) : nullptr;
    const bool finished = found != nullptr;
    const std::size_t end =
        finished ? static_cast<std::size_t>(static_cast<const char*>(found) - window.data()) : window.size();
    const std::size_t next = finished ? end + 1 : end;
    if (line_too_large(window, begin, end, max_bytes)) [[unlikely]] {
        if (rules.drops && !finished) return too_large(window, begin, end, 1, scan);
        return {Frame::Kind::too_large, begin, end, next};
    }
    if (finished) return rules.trims ? item_frame(window, begin, end, next) : whole_line(window, begin, end, next);
    scan.set_scanned(end - begin);
    return {Frame::Kind::partial, begin, end, begin};
}

bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_json_space); }

/// Returns the start of the item at or after `from`. White space is skipped, unless a delimiter may begin with it.
std::size_t start_of_item(std::span<const char> window, std::size_t from, const FrameRules& rules) {
    const bool may_skip = rules.trims && (!is_json_space(rules.delimiter[0]) || is_blank(rules.delimiter));
    return may_skip ? skip_json_space(window, from) : from;
}

/// Returns the bytes before `scanned` in which a delimiter may have begun.
std::size_t look_back(std::size_t scanned, std::string_view delimiter) {
    return std::min(scanned, delimiter.size() - 1);
}

Frame next_delimited(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::string_view delimiter = rules.delimiter;
    const std::string_view text(window.data(), window.size());
    std::size_t begin = scan.scanned != 0 ? 0 : start_of_item(window, 0, rules);
    std::size_t from = begin + scan.scanned - look_back(scan.scanned, delimiter);
    scan = {};
    for (;;) {
        const std::size_t found = text.find(delimiter, from);
        if (found == std::string_view::npos) break;
        const std::size_t next = found + delimiter.size();
        if (found - begin > max_bytes) return {Frame::Kind::too_large, begin, found, next};
        const Frame frame = rules.trims ? item_frame(window, skip_json_space(window.first(found), begin), found, next)
                                        : Frame{Frame::Kind::item, begin, found, next};
        if (frame.begin < frame.end) return frame;
        begin = from = start_of_item(window, next, rules);
    }
    const std::size_t length = window.size() - begin;
    // The last bytes may be the beginning of a delimiter.
    if (length > max_bytes + delimiter.size() - 1) {
        const std::size_t keep = std::max<std::size_t>(1, delimiter.size() - 1);
        if (rules.drops) return too_large(window, begin, window.size(), keep, scan);
        return {Frame::Kind::too_large, begin, window.size(), window.size()};
    }
    scan.set_scanned(length);
    return {Frame::Kind::partial, begin, window.size(), begin};
}

bool may_start_item(char byte, bool arrays) { return byte == '{' || (arrays && byte == '['); }

Frame next_object(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::size_t begin = scan.scanned != 0 ? 0 : skip_json_space(window, 0);
    if (begin == window.size()) {
        scan = {};
        return {Frame::Kind::partial, begin, begin, begin};
    }
    const bool is_wrong = scan.scanned == 0 && !may_start_item(window[begin], rules.arrays);
    const ObjectScan found =
        is_wrong ? ObjectScan{ObjectScan::Outcome::malformed, 0} : scan_value(window.subspan(begin), scan, max_bytes);
    const std::size_t at = begin + found.at;
    switch (found.outcome) {
        case ObjectScan::Outcome::unfinished:
            if (window.size() - begin <= max_bytes) return {Frame::Kind::partial, begin, window.size(), begin};
            if (rules.drops) return too_large(window, begin, at, std::min(found.at, kept_of_dropped), scan);
            scan = {};
            return {Frame::Kind::too_large, begin, window.size(), window.size()};
        case ObjectScan::Outcome::complete:
            scan = {};
            return {Frame::Kind::item, begin, at, at};
        case ObjectScan::Outcome::malformed: {
            scan = {};
            const std::size_t next = resync_after(window, at);
            return {Frame::Kind::malformed, begin, next, next};
        }
        case ObjectScan::Outcome::restarted:
            break;
    }
    scan = {};
    return {Frame::Kind::malformed, begin, at, at};
}

/// Returns the end of the object (or array) that starts at `begin`, or nullopt if none starts there or its end is
/// missing.
std::optional<std::size_t> end_of_item(std::span<const char> window, std::size_t begin, bool arrays) noexcept {
    if (begin == window.size() || !may_start_item(window[begin], arrays)) return std::nullopt;
    FrameScan scan;
    const ObjectScan found = scan_value(window.subspan(begin), scan, window.size());
    if (found.outcome != ObjectScan::Outcome::complete) return std::nullopt;
    return begin + found.at;
}

// The bytes of a dropped item that are still to come may exceed the 31 bits of `scanned`.
void set_left(FrameScan& scan, std::size_t bytes) {
    scan.set_scanned(bytes);
    scan.depth = static_cast<std::uint32_t>(bytes >> 31) & ((std::uint32_t{1} << 29) - 1);
}
std::size_t left_of(const FrameScan& scan) { return std::size_t{scan.depth} << 31 | scan.scanned; }

LengthField field_of(const FrameRules& rules) {
    return rules.framing == Framing::length_field ? rules.length_field : LengthField{.width = length_header};
}

/// Returns the value of the field. Larger values than any item has are cut off.
std::uint64_t value_of(const LengthField& field, std::span<const char> header) {
    constexpr std::uint64_t largest = std::uint64_t{1} << 40;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < field.width; ++i) {
        const std::size_t at = field.order == ByteOrder::big ? i : field.width - 1 - i;
        value = std::min(value, largest) << 8 | static_cast<unsigned char>(header[field.offset + at]);
    }
    return std::min(value, largest);
}

/// Returns the item's bytes in its frame, whose header `frame` has; nullopt if the length contradicts the header.
std::optional<std::size_t> item_size(const FrameRules& rules, std::span<const char> frame) {
    const LengthField field = field_of(rules);
    const auto size =
        static_cast<std::int64_t>(header_size(rules) + value_of(field, frame)) + std::int64_t{field.adjustment};
    const auto least = static_cast<std::int64_t>(std::max<std::size_t>(header_size(rules), strip_of(rules)));
    if (size < least) return std::nullopt;
    return static_cast<std::size_t>(size) - strip_of(rules);
}

Frame counted_too_large(std::span<const char> window, std::size_t begin, std::size_t end, bool drops, FrameScan& scan) {
    if (drops && end > window.size()) {
        scan.drops = 1;
        set_left(scan, end - (window.size() - 1));
        return {Frame::Kind::too_large, begin, window.size(), window.size() - 1};
    }
    const std::size_t here = std::min(end, window.size());
    return {Frame::Kind::too_large, std::min(begin, here), here, here};
}

Frame next_counted(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    scan = {};
    const std::size_t header = header_size(rules);
    std::size_t at = 0;
    while (window.size() - at >= header) {
        const auto size = item_size(rules, window.subspan(at));
        if (!size) return {Frame::Kind::malformed, at, at + header, at + header};
        const std::size_t begin = at + strip_of(rules);
        const std::size_t end = begin + *size;
        if (*size > max_bytes) return counted_too_large(window, at + header, end, rules.drops, scan);
        if (end > window.size()) break;
        if (*size > 0 && !rules.trims) return {Frame::Kind::item, begin, end, end};
        if (*size > 0) return item_frame(window, skip_json_space(window.first(end), begin), end, end);
        at = end;
    }
    scan.set_scanned(window.size() - at);
    return {Frame::Kind::partial, at, window.size(), at};
}

Frame dropped(FrameScan& scan, std::size_t end) {
    scan = {};
    return {Frame::Kind::skipped, 0, end, end};
}

/// Keeps the last `keep` bytes of a window that ended before the dropped item.
Frame still_dropped(std::span<const char> window, FrameScan& scan, std::size_t keep) {
    const std::size_t next = window.size() - std::min(keep, window.size());
    scan.set_scanned(window.size() - next);
    return {Frame::Kind::partial, next, window.size(), next};
}

Frame drop_delimited(std::string_view delimiter, std::span<const char> window, FrameScan& scan) {
    const std::string_view text(window.data(), window.size());
    const std::size_t found = text.find(delimiter, scan.scanned - look_back(scan.scanned, delimiter));
    if (found != std::string_view::npos) return dropped(scan, found + delimiter.size());
    return still_dropped(window, scan, std::max<std::size_t>(1, delimiter.size() - 1));
}

Frame drop_object(std::span<const char> window, FrameScan& scan) {
    const ObjectScan found = scan_value(window, scan, window.size());
    switch (found.outcome) {
        case ObjectScan::Outcome::unfinished:
            return still_dropped(window, scan, kept_of_dropped);
        case ObjectScan::Outcome::malformed:
            return dropped(scan, resync_after(window, found.at));
        case ObjectScan::Outcome::complete:
        case ObjectScan::Outcome::restarted:
            break;
    }
    return dropped(scan, found.at);
}

Frame drop_counted(std::span<const char> window, FrameScan& scan) {
    const std::size_t left = left_of(scan);
    if (left <= window.size()) return dropped(scan, left);
    set_left(scan, left - (window.size() - 1));
    return {Frame::Kind::partial, window.size() - 1, window.size(), window.size() - 1};
}

/// Drops the next part of an item that was reported as too large.
Frame drop_more(const FrameRules& rules, std::span<const char> window, FrameScan& scan) {
    switch (rules.framing) {
        case Framing::ndjson:
            return drop_delimited(rules.delimiter.empty() ? "\n" : rules.delimiter, window, scan);
        case Framing::json:
            return drop_object(window, scan);
        case Framing::length:
        case Framing::length_field:
            break;
    }
    return drop_counted(window, scan);
}

}  // namespace

Frame next_frame(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    if (scan.drops) [[unlikely]]
        return drop_more(rules, window, scan);
    switch (rules.framing) {
        case Framing::ndjson:
            return rules.delimiter.empty() ? next_line(rules, window, scan, max_bytes)
                                           : next_delimited(rules, window, scan, max_bytes);
        case Framing::json:
            return next_object(rules, window, scan, max_bytes);
        case Framing::length:
        case Framing::length_field:
            break;
    }
    return next_counted(rules, window, scan, max_bytes);
}

std::size_t announced_size(const FrameRules& rules, std::span<const char> frame) noexcept {
    return item_size(rules, frame).value_or(0);
}

std::optional<std::size_t> skip_byte_order_mark(std::span<const char> stream) noexcept {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    const std::string_view start(stream.data(), std::min(stream.size(), mark.size()));
    if (start == mark) return mark.size();
    return mark.starts_with(start) ? std::nullopt : std::optional<std::size_t>(0);
}

std::size_t resync_after(std::span<const char> window, std::size_t from) noexcept {
    if (from >= window.size()) return window.size();
    const void* found = std::memchr(window.data() + from, '\n', window.size() - from);
    if (found == nullptr) return window.size();
    return static_cast<std::size_t>(static_cast<const char*>(found) - window.data()) + 1;
}

Frame last_frame(const FrameRules& rules, std::span<const char> window) noexcept {
    if (rules.are_counted() || !rules.trims) return {Frame::Kind::partial, 0, window.size(), 0};
    Frame left = item_frame(window, skip_json_space(window, 0), window.size(), window.size());
    const bool is_item = rules.framing == Framing::ndjson && end_of_item(window, left.begin, rules.arrays) == left.end;
    if (!is_item) left.kind = Frame::Kind::partial;
    return left;
}

bool is_complete_object(std::string_view bytes) noexcept {
    const std::span<const char> window(bytes);
    const auto end = end_of_item(window, skip_json_space(window, 0), false);
    if (!end) return false;
    const std::size_t rest = skip_json_space(window, *end);
    return rest == window.size() || window[rest] == '{';
}

namespace {

/// Returns whether a counted frame states the size of its item.
bool announces(std::string_view frame, const FrameRules& rules, std::string_view item) {
    return frame.size() >= header_size(rules) && item_size(rules, frame) == item.size();
}

/// Writes the length into the frame that begins at `begin`. A length that the field cannot state is cut.
void write_length(std::string& out, std::size_t begin, const LengthField& field, std::size_t header) {
    const auto size = static_cast<std::int64_t>(out.size() - begin - header) - field.adjustment;
    for (std::size_t i = 0; i < field.width; ++i) {
        const std::size_t at = field.order == ByteOrder::little ? i : field.width - 1 - i;
        out[begin + field.offset + at] = static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * i) & 0xff);
    }
}

bool append_counted(std::string& out, const FrameRules& rules, std::string_view item) {
    const LengthField field = field_of(rules);
    const std::size_t begin = out.size();
    out.append(strip_of(rules), '\0').append(item);
    if (strip_of(rules) >= header_size(rules)) write_length(out, begin, field, header_size(rules));
    if (announces(std::string_view(out).substr(begin), rules, item)) return true;
    out.resize(begin);
    return false;
}

bool append_delimited(std::string& out, const FrameRules& rules, std::string_view item) {
    const std::size_t begin = out.size();
    if (rules.trims) {
        append_one_line(out, item);
    } else {
        out += item;
    }
    const std::size_t end = out.size();
    const std::string_view delimiter = rules.delimiter.empty() ? "\n" : rules.delimiter;
    out += delimiter;
    // The search includes the delimiter: "a" before "aa" is found one byte early. CR before LF belongs to the line end.
    const bool loses_cr = rules.delimiter.empty() && end > begin && out[end - 1] == '\r';
    if (!loses_cr && out.find(delimiter, begin) == end) return true;
    out.resize(begin);
    return false;
}

}  // namespace

bool append_framed(std::string& out, const FrameRules& rules, std::string_view item) {
    if (rules.are_counted()) return append_counted(out, rules, item);
    if (rules.framing == Framing::ndjson) return append_delimited(out, rules, item);
    out += item;
    return true;
}

Frame FramingCodec::next(std::span<const char> window, CodecStream& stream) {
    auto scan = std::bit_cast<FrameScan>(stream.scan);
    const Frame frame = next_frame(rules_, window, scan, stream.max_bytes);
    stream.scan = std::bit_cast<std::uint64_t>(scan);
    return frame;
}

Frame FramingCodec::last(std::span<const char> window, CodecStream&) { return last_frame(rules_, window); }

}  // namespace holdfast
