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

constexpr std::size_t length_header = 4;

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

Frame next_line(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::size_t begin = scan.scanned != 0 ? 0 : skip_json_space(window, 0);
    const std::size_t from = begin + scan.scanned;
    scan = {};
    if (from >= window.size() && begin == window.size()) return {Frame::Kind::partial, begin, begin, begin};

    const void* found = from < window.size() ? std::memchr(window.data() + from, '\n', window.size() - from) : nullptr;
    const bool finished = found != nullptr;
    const std::size_t end =
        finished ? static_cast<std::size_t>(static_cast<const char*>(found) - window.data()) : window.size();
    const std::size_t next = finished ? end + 1 : end;
    if (line_too_large(window, begin, end, max_bytes)) return {Frame::Kind::too_large, begin, end, next};
    if (finished) return item_frame(window, begin, end, next);
    scan.scanned = static_cast<std::uint32_t>(end - begin);
    return {Frame::Kind::partial, begin, end, begin};
}

Frame next_object(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    const std::size_t begin = scan.scanned != 0 ? 0 : skip_json_space(window, 0);
    if (begin == window.size()) {
        scan = {};
        return {Frame::Kind::partial, begin, begin, begin};
    }
    const ObjectScan found = scan_object(window.subspan(begin), scan, max_bytes);
    const std::size_t at = begin + found.at;
    switch (found.outcome) {
        case ObjectScan::Outcome::unfinished:
            if (window.size() - begin <= max_bytes) return {Frame::Kind::partial, begin, window.size(), begin};
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

/// Returns the end of the object that starts at `begin`, or nullopt if none starts there or its end is missing.
std::optional<std::size_t> end_of_object(std::span<const char> window, std::size_t begin) noexcept {
    if (begin == window.size()) return std::nullopt;
    FrameScan scan;
    const ObjectScan found = scan_object(window.subspan(begin), scan, window.size());
    if (found.outcome != ObjectScan::Outcome::complete) return std::nullopt;
    return begin + found.at;
}

std::size_t big_endian(std::span<const char> bytes) {
    std::size_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

Frame next_counted(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    scan = {};
    if (window.size() >= length_header) {
        const std::size_t length = big_endian(window.first(length_header));
        const std::size_t end = length_header + length;
        if (length > max_bytes) {
            const std::size_t here = std::min(end, window.size());
            return {Frame::Kind::too_large, length_header, here, here};
        }
        if (end <= window.size())
            return item_frame(window, skip_json_space(window.first(end), length_header), end, end);
    }
    scan.scanned = static_cast<std::uint32_t>(window.size());
    return {Frame::Kind::partial, 0, window.size(), 0};
}

}  // namespace

Frame next_frame(Framing framing, std::span<const char> window, FrameScan& scan, std::size_t max_bytes) {
    switch (framing) {
        case Framing::ndjson:
            return next_line(window, scan, max_bytes);
        case Framing::json:
            return next_object(window, scan, max_bytes);
        case Framing::length:
            break;
    }
    return next_counted(window, scan, max_bytes);
}

std::size_t resync_after(std::span<const char> window, std::size_t from) noexcept {
    if (from >= window.size()) return window.size();
    const void* found = std::memchr(window.data() + from, '\n', window.size() - from);
    if (found == nullptr) return window.size();
    return static_cast<std::size_t>(static_cast<const char*>(found) - window.data()) + 1;
}

Frame last_frame(Framing framing, std::span<const char> window) noexcept {
    if (framing == Framing::length) return {Frame::Kind::partial, 0, window.size(), 0};
    Frame left = item_frame(window, skip_json_space(window, 0), window.size(), window.size());
    const bool is_object = framing == Framing::ndjson && end_of_object(window, left.begin) == left.end;
    if (!is_object) left.kind = Frame::Kind::partial;
    return left;
}

bool is_complete_object(std::string_view bytes) noexcept {
    const std::span<const char> window(bytes);
    const auto end = end_of_object(window, skip_json_space(window, 0));
    if (!end) return false;
    const std::size_t rest = skip_json_space(window, *end);
    return rest == window.size() || window[rest] == '{';
}

void append_framed(std::string& out, Framing framing, std::string_view json_object) {
    if (framing == Framing::ndjson) {
        append_one_line(out, json_object);
        out += '\n';
        return;
    }
    if (framing == Framing::length) {
        for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(json_object.size() >> shift & 0xff);
    }
    out += json_object;
}

}  // namespace holdfast
