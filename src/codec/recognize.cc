#include "codec/recognize.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

namespace holdfast {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t max_read = 1'024;
constexpr std::string_view digits = "0123456789";
constexpr std::string_view spaces = " \t\r\n";

bool begins_with_any(std::string_view bytes, std::initializer_list<std::string_view> heads) {
    return std::any_of(heads.begin(), heads.end(), [bytes](std::string_view head) { return bytes.starts_with(head); });
}

char at(std::string_view bytes, std::size_t index) { return index < bytes.size() ? bytes[index] : '\xff'; }

/// Finds a handshake record of TLS 1.0 or later (RFC 8446, 5.1) with a ClientHello.
bool is_client_hello(std::string_view bytes) {
    return bytes.starts_with("\x16\x03"sv) && static_cast<unsigned char>(at(bytes, 2)) <= 4 &&
           (bytes.size() <= 5 || bytes[5] == 1);
}

/// Finds the fixed header and the protocol name of a CONNECT (MQTT 3.1.1, 3.1). Its remaining length has 1 to 4 bytes.
bool is_mqtt_connect(std::string_view bytes) {
    if (at(bytes, 0) != '\x10') return false;
    const std::string_view rest = bytes.substr(0, 16);
    return rest.find("\0\4MQTT"sv) <= 5 || rest.find("\0\6MQIsdp"sv) <= 5;
}

bool is_sip(std::string_view bytes) {
    if (bytes.starts_with("SIP/2.0")) return true;
    const std::size_t space = bytes.substr(0, 16).find(' ');
    if (space == std::string_view::npos || space < 3) return false;
    return begins_with_any(bytes.substr(space + 1), {"sip:", "sips:"});
}

bool is_http(std::string_view bytes) {
    if (begins_with_any(bytes, {"HTTP/1.", "PRI * HTTP/2", "CONNECT "})) return true;
    for (const std::string_view method :
         {"GET "sv, "POST "sv, "PUT "sv, "HEAD "sv, "OPTIONS "sv, "DELETE "sv, "PATCH "sv, "TRACE "sv}) {
        if (bytes.starts_with(method)) return begins_with_any(bytes.substr(method.size()), {"/", "http", "*"});
    }
    return false;
}

/// Finds the signature of version 2 also behind the line breaks with which it begins.
bool is_proxy_header(std::string_view bytes) {
    return begins_with_any(bytes, {"PROXY TCP", "PROXY UNKNOWN", "\r\n\r\n\0\r\nQUIT\n"sv, "\0\r\nQUIT\n"sv});
}

/// Finds a byte order mark, or two characters with the zero bytes that UTF-32 adds to them.
bool is_utf32(std::string_view bytes) {
    if (begins_with_any(bytes, {"\xff\xfe\0\0"sv, "\0\0\xfe\xff"sv})) return true;
    const std::string_view zeros("\0\0\0"sv);
    const bool is_little =
        begins_with_any(bytes, {"{\0\0\0"sv, "[\0\0\0"sv}) && bytes.size() > 5 && bytes.substr(5, 3) == zeros;
    const bool is_big = begins_with_any(bytes, {"\0\0\0{"sv, "\0\0\0["sv}) && bytes.substr(4, 3) == zeros;
    return is_little || is_big;
}

/// Finds a byte order mark, or a bracket with the zero byte that UTF-16 adds to it. A length may have more of them.
bool is_utf16(std::string_view bytes) {
    if (begins_with_any(bytes, {"{\0\0\0"sv, "[\0\0\0"sv})) return false;
    return begins_with_any(bytes, {"\xff\xfe"sv, "\xfe\xff"sv, "{\0"sv, "[\0"sv}) ||
           (at(bytes, 0) == '\0' && at(bytes, 1) == '{' && at(bytes, 2) == '\0');
}

bool is_byte_order_mark(std::string_view bytes) { return bytes.starts_with("\xef\xbb\xbf"); }

bool is_object(std::string_view bytes) { return at(bytes, 0) == '{'; }
bool is_array(std::string_view bytes) { return at(bytes, 0) == '['; }

/// Finds a number in ASCII before an object, as in netstrings and in the octet counts of RFC 6587.
bool is_ascii_length(std::string_view bytes) {
    const std::size_t end = std::min(bytes.find_first_not_of(digits), bytes.size());
    if (end == 0 || end > 8) return false;
    const std::size_t mark = end + (at(bytes, end) == ':' ? 1 : 0);
    return at(bytes, std::min(bytes.find_first_not_of(spaces, mark), bytes.size())) == '{';
}

/// Finds a length of at most 64 KiB.
bool is_little_endian_length(std::string_view bytes) {
    return at(bytes, 0) != '\0' && at(bytes, 2) == '\0' && at(bytes, 3) == '\0' && at(bytes, 4) == '{';
}

/// Finds such a length also where its first byte has passed as white space.
bool is_little_endian_prefix(std::string_view bytes) {
    return is_little_endian_length(bytes) || bytes.starts_with("\0\0\0{"sv);
}

bool is_big_endian_length(std::string_view bytes) {
    return at(bytes, 0) == '\0' && at(bytes, 1) != '{' && at(bytes, 4) == '{';
}

/// Returns true for a control byte other than white space.
bool is_binary(char byte) {
    return static_cast<unsigned char>(byte) < 0x20 && spaces.find(byte) == std::string_view::npos;
}

/// Finds a length of 2 bytes, of either order, before an object or an array. Behind a length of 4 bytes, the same bytes
/// would be a part of it.
bool is_short_length(std::string_view bytes) {
    const bool begins = (at(bytes, 2) == '{' || at(bytes, 2) == '[') && at(bytes, 4) != '{' && at(bytes, 4) != '[';
    const bool goes_on = bytes.size() > 3 && std::string_view("\"{}[] \t\r\n").find(bytes[3]) != std::string_view::npos;
    const bool is_length = (is_binary(at(bytes, 0)) || is_binary(at(bytes, 1))) && !bytes.starts_with("\0\0"sv);
    return begins && goes_on && is_length;
}

/// Finds the last byte of a length whose zero bytes have passed as delimiters.
bool is_end_of_length(std::string_view bytes) { return is_binary(at(bytes, 0)) && at(bytes, 1) == '{'; }

bool ends_with_nul(std::string_view bytes) {
    return bytes.find("}\0"sv) != std::string_view::npos || bytes == "\0"sv || bytes.starts_with("\0{"sv);
}

bool ends_with_cr(std::string_view bytes) { return bytes.find("}\r{") != std::string_view::npos; }

/// Finds an object or an array that a line feed ends, with or without another one behind it.
bool ends_with_line_feed(std::string_view bytes) {
    for (std::size_t end = bytes.find('\n'); end < bytes.size(); end = bytes.find('\n', end + 1)) {
        const char before = end > 1 && bytes[end - 1] == '\r' ? bytes[end - 2] : at(bytes, end - 1);
        const bool ends = before == '}' || before == ']';
        if (ends && (end + 1 == bytes.size() || bytes[end + 1] == '{' || bytes[end + 1] == '[')) return true;
    }
    return false;
}

/// Returns true if the first line ends before its object or array does.
bool is_on_several_lines(std::string_view bytes) {
    std::string_view line = bytes.substr(0, bytes.find('\n'));
    if (line.size() == bytes.size()) return false;
    line = line.substr(0, line.find_last_not_of(spaces) + 1);
    return std::string_view("{[,").find(line.back()) != std::string_view::npos;
}

bool is_object_on_several_lines(std::string_view bytes) { return is_object(bytes) && is_on_several_lines(bytes); }
bool is_array_on_several_lines(std::string_view bytes) { return is_array(bytes) && is_on_several_lines(bytes); }

struct Row {
    bool (*matches)(std::string_view);
    std::string_view text;
};

constexpr Row tls_row{is_client_hello,
                      "the bytes are a TLS ClientHello; set tls_certificate and tls_key for the "
                      "listener, or disable TLS in the device"};
constexpr Row tls_twice_row{is_client_hello,
                            "the bytes are a TLS ClientHello inside TLS; disable TLS in the device "
                            "or in the proxy before it"};

constexpr std::array protocols{
    Row{is_sip, "the bytes are a SIP message; connect the device to a SIP server"},
    Row{is_http, "the bytes are HTTP; send JSON objects without HTTP, or correct the client's port"},
    Row{[](std::string_view bytes) { return bytes.starts_with("SSH-"); },
        "the bytes are an SSH identification; correct the client's port"},
    Row{is_mqtt_connect, "the bytes are an MQTT CONNECT; send JSON objects without MQTT, or connect to an MQTT broker"},
    Row{is_proxy_header,
        "the bytes are a PROXY header; set proxy_protocol and trusted_proxies for the listener, or "
        "disable the header in the proxy"},
    Row{is_utf32, "the text is UTF-32; send UTF-8"},
    Row{is_utf16, "the text is UTF-16; send UTF-8"},
};

constexpr std::array lines_or_objects{
    Row{is_byte_order_mark, "a byte order mark precedes the object; send UTF-8 without one"},
    Row{is_ascii_length,
        "a length in ASCII digits precedes the object; remove it, or set framing = \"length\" and send "
        "it as 4 bytes, big-endian"},
    Row{is_little_endian_prefix,
        "a little-endian length precedes the object; set framing = \"length\" and send the "
        "length big-endian"},
    Row{is_big_endian_length, "a length of 4 bytes precedes the object; set framing = \"length\""},
    Row{is_short_length,
        "a length of 2 bytes precedes the object; set framing = \"length\" and send it as 4 bytes, big-endian"},
};

constexpr std::array objects_only{
    Row{ends_with_nul, "a NUL ends the object; remove it, or set framing = \"ndjson\" and delimiter = \"\\u0000\""},
};

constexpr std::array lines_only{
    Row{ends_with_nul, "a NUL ends the object; end it with a line feed, or set delimiter = \"\\u0000\""},
    Row{is_object_on_several_lines, "the object spans several lines; set framing = \"json\""},
    Row{ends_with_cr, "the lines end with CR; end them with a line feed, or set delimiter = \"\\r\""},
};

constexpr std::array delimited{
    Row{is_end_of_length, "a length precedes the object; set framing = \"length\" and send it as 4 bytes, big-endian"},
    Row{ends_with_line_feed,
        "the lines end with a line feed; end them with the listener's delimiter, or remove the option delimiter"},
    Row{ends_with_cr, "the lines end with CR; end them with the listener's delimiter, or set delimiter = \"\\r\""},
};

constexpr std::array delimited_by_text{
    Row{ends_with_nul, "a NUL ends the object; end it with the listener's delimiter, or set delimiter = \"\\u0000\""},
};

constexpr std::array arrays_on_several_lines{
    Row{is_array_on_several_lines, "the array spans several lines; set framing = \"json\""},
};

constexpr std::array arrays_on_lines{
    Row{is_array_on_several_lines,
        "the array spans several lines; set framing = \"json\" and arrays = true, or send each object on a line"},
};

constexpr std::array arrays{
    Row{is_array, "the item is an array; set arrays = true, or send each of its objects as an item"},
};

constexpr std::array counted{
    Row{is_little_endian_length, "the length is little-endian; send it big-endian"},
    Row{[](std::string_view bytes) { return is_object(bytes) || is_array(bytes); },
        "no length precedes the object; send it as 4 bytes, big-endian, or set framing = \"json\""},
    Row{[](std::string_view bytes) {
            return is_ascii_length(bytes) || bytes.substr(0, 4).find_first_not_of(digits) > 3;
        },
        "the length is in ASCII digits; send it as 4 bytes, big-endian"},
    Row{is_short_length, "the length has 2 bytes; send it as 4 bytes, big-endian"},
};

template <std::size_t size>
std::string_view first_of(const std::array<Row, size>& rows, std::string_view bytes) {
    const auto found = std::find_if(rows.begin(), rows.end(), [bytes](const Row& row) { return row.matches(bytes); });
    return found != rows.end() ? found->text : std::string_view();
}

/// Returns the mistake in the lines of a listener without a delimiter.
std::string_view mistake_in_lines(bool takes_arrays, std::string_view bytes) {
    const std::string_view text = first_of(lines_only, bytes);
    if (!text.empty()) return text;
    return takes_arrays ? first_of(arrays_on_several_lines, bytes) : first_of(arrays_on_lines, bytes);
}

/// Returns the mistake in items that end with a delimiter. They cannot contain it.
std::string_view mistake_in_delimited(std::string_view delimiter, std::string_view bytes) {
    const std::string_view text = first_of(delimited, bytes);
    return text.empty() && delimiter != "\0"sv ? first_of(delimited_by_text, bytes) : text;
}

/// Returns a mistake other than an array where the listener takes none.
std::string_view mistake_in(const FrameRules& rules, std::string_view bytes) {
    if (rules.framing == Framing::length) return first_of(counted, bytes);
    const std::string_view text = first_of(lines_or_objects, bytes);
    if (!text.empty()) return text;
    if (rules.framing == Framing::json) return first_of(objects_only, bytes);
    if (rules.delimiter.empty()) return mistake_in_lines(rules.arrays, bytes);
    return mistake_in_delimited(rules.delimiter, bytes);
}

}  // namespace

std::string_view recognize_protocol(bool encrypted, std::string_view bytes) noexcept {
    const Row& tls = encrypted ? tls_twice_row : tls_row;
    return tls.matches(bytes) ? tls.text : first_of(protocols, bytes);
}

std::string_view recognize_framing(const FrameRules& rules, std::string_view bytes) noexcept {
    if (rules.framing == Framing::length_field) return {};
    bytes = bytes.substr(0, max_read);
    const std::string_view mistake = mistake_in(rules, bytes);
    if (!mistake.empty() || rules.arrays) return mistake;
    const bool is_counted = rules.framing == Framing::length;
    return first_of(arrays, is_counted ? bytes.substr(std::min(bytes.size(), length_header)) : bytes);
}

}  // namespace holdfast
