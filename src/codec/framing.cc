#include "codec/framing.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "codec/json_scan.h"
#include "codec/one_line.h"

namespace holdfast {

namespace {

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

Frame next_line(std::span<const char> window, FrameScan& scan, std::size_t max_bytes, bool drops) {
    const std::size_t begin = scan.scanned != 0 ? 0 : skip_json_space(window, 0);
    const std::size_t from = begin + scan.scanned;
    scan = {};
    if (from >= window.size() && begin == window.size()) return {Frame::Kind::partial, begin, begin, begin};

    const void* found = from < window.size() ? std::memchr(window.data() + from, '\n', window.size() - from) : nullptr;
    const bool finished = found != nullptr;
    const std::size_t end =
        finished ? static_cast<std::size_t>(static_cast<const char*>(found) - window.data()) : window.size();
    const std::size_t next = finished ? end + 1 : end;
    if (line_too_large(window, begin, end, max_bytes)) [[unlikely]] {
        if (drops && !finished) return too_large(window, begin, end, 1, scan);
        return {Frame::Kind::too_large, begin, end, next};
    }
    if (finished) return item_frame(window, begin, end, next);
    scan.set_scanned(end - begin);
    return {Frame::Kind::partial, begin, end, begin};
}

bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_json_space); }

/// Returns the start of the item at or after `from`. White space is skipped, unless a delimiter may begin with it.
std::size_t start_of_item(std::span<const char> window, std::size_t from, std::string_view delimiter) {
    const bool may_skip = !is_json_space(delimiter[0]) || is_blank(delimiter);
    return may_skip ? skip_json_space(window, from) : from;
}

/// Returns the bytes before `scanned` in which a delimiter may have begun.
std::size_t look_back(std::size_t scanned, std::string_view delimiter) {
    return std::min(scanned, delimiter.size() - 1);
}

Frame next_delimited(const FrameRules& rules, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::string_view delimiter = rules.delimiter;
    const std::string_view text(window.data(), window.size());
    std::size_t begin = scan.scanned != 0 ? 0 : start_of_item(window, 0, delimiter);
    std::size_t from = begin + scan.scanned - look_back(scan.scanned, delimiter);
    scan = {};
    for (;;) {
        const std::size_t found = text.find(delimiter, from);
        if (found == std::string_view::npos) break;
        const std::size_t next = found + delimiter.size();
        if (found - begin > max_bytes) return {Frame::Kind::too_large, begin, found, next};
        const Frame frame = item_frame(window, skip_json_space(window.first(found), begin), found, next);
        if (frame.begin < frame.end) return frame;
        begin = from = start_of_item(window, next, delimiter);
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

Frame next_counted(std::span<const char> window, FrameScan& scan, std::size_t max_bytes, bool drops) {
    scan = {};
    std::size_t at = 0;
    for (; window.size() - at >= length_header; at += length_header) {
        const std::size_t begin = at + length_header;
        const std::size_t length = announced_size({window.data() + at, length_header});
        const std::size_t end = begin + length;
        if (length > max_bytes) {
            if (drops && end > window.size()) {
                scan.drops = 1;
                set_left(scan, end - (window.size() - 1));
                return {Frame::Kind::too_large, begin, window.size(), window.size() - 1};
            }
            const std::size_t here = std::min(end, window.size());
            return {Frame::Kind::too_large, begin, here, here};
        }
        if (end > window.size()) break;
        if (length > 0) return item_frame(window, skip_json_space(window.first(end), begin), end, end);
    }
    scan.set_scanned(window.size() - at);
    return {Frame::Kind::partial, at, window.size(), at};
}

Frame dropped(FrameScan& scan, std::size_t end) {
    scan = {};
    return {Frame::Kind::dropped, 0, end, end};
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
            return rules.delimiter.empty() ? next_line(window, scan, max_bytes, rules.drops)
                                           : next_delimited(rules, window, scan, max_bytes);
        case Framing::json:
            return next_object(rules, window, scan, max_bytes);
        case Framing::length:
            break;
    }
    return next_counted(window, scan, max_bytes, rules.drops);
}

std::uint32_t announced_size(std::string_view bytes) noexcept {
    std::uint32_t size = 0;
    for (const char byte : bytes.substr(0, length_header)) size = size << 8 | static_cast<unsigned char>(byte);
    return size;
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
    if (rules.framing == Framing::length) return {Frame::Kind::partial, 0, window.size(), 0};
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

void append_framed(std::string& out, const FrameRules& rules, std::string_view json_object) {
    if (rules.framing == Framing::ndjson) {
        append_one_line(out, json_object);
        out += rules.delimiter.empty() ? "\n" : rules.delimiter;
        return;
    }
    if (rules.framing == Framing::length) {
        for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(json_object.size() >> shift & 0xff);
    }
    out += json_object;
}

}  // namespace holdfast
