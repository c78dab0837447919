#include "tcp/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "tcp/sockaddr.h"

namespace holdfast {

namespace {

constexpr std::string_view v1_start = "PROXY ";
constexpr std::size_t v1_most = 107;  // including the line end
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_fixed = 16;

ProxyHeader invalid(std::string_view why) {
    return {.kind = ProxyHeader::Kind::invalid, .size = 0, .peer = {}, .detail = why};
}

/// Returns the result for a whole LOCAL or UNKNOWN header of `size` bytes.
ProxyHeader local(std::size_t size) {
    return {.kind = ProxyHeader::Kind::local, .size = size, .peer = {}, .detail = {}};
}

bool begins_alike(std::string_view text, std::string_view start) {
    const std::size_t both = std::min(text.size(), start.size());
    return text.substr(0, both) == start.substr(0, both);
}

std::string_view next_word(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

std::optional<std::uint16_t> parse_port(std::string_view word) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
    const bool canonical = word == "0" || !word.starts_with('0');
    if (error != std::errc{} || end != word.data() + word.size() || !canonical) return std::nullopt;
    return port;
}

/// Accepts what inet_pton accepts: no names, no zones, no leading zeros.
std::optional<Endpoint> parse_address(int family, std::string_view word) {
    const std::string text(word);
    SocketAddress address;
    address.storage.ss_family = static_cast<sa_family_t>(family);
    void* place = family == AF_INET ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(address.get())->sin_addr)
                                    : &reinterpret_cast<sockaddr_in6*>(address.get())->sin6_addr;
    if (text.find('\0') != std::string::npos || ::inet_pton(family, text.c_str(), place) != 1) return std::nullopt;
    return to_endpoint(address);
}

/// Parses the text between "PROXY " and the line end, e.g. "TCP4 192.0.2.1 192.0.2.2 51514 7000".
ProxyHeader parse_v1_line(std::string_view line, std::size_t size) {
    std::string_view rest = line;
    const std::string_view protocol = next_word(rest);
    if (protocol == "UNKNOWN") return local(size);
    if (protocol != "TCP4" && protocol != "TCP6")
        return invalid("the PROXY v1 header names neither TCP4, TCP6 nor UNKNOWN");
    if (std::count(line.begin(), line.end(), ' ') != 4)
        return invalid("the PROXY v1 header does not have two addresses and two ports, separated by one space");
    const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
    auto source = parse_address(family, next_word(rest));
    // With set_real_ip_from, nginx replaces the source and keeps the destination. The destination may be of the
    // other family, or the socket on which nginx listens: "unix:" and its path (ngx_sock_ntop).
    const std::string_view to = next_word(rest);
    const bool has_destination = parse_address(AF_INET, to) || parse_address(AF_INET6, to) || to.starts_with("unix:");
    if (!source || !has_destination) return invalid("an address in the PROXY v1 header does not fit its protocol");
    const auto source_port = parse_port(next_word(rest));
    const auto destination_port = parse_port(next_word(rest));
    if (!source_port || !destination_port) return invalid("a port in the PROXY v1 header is invalid");
    source->port = *source_port;
    return {.kind = ProxyHeader::Kind::relayed, .size = size, .peer = *source, .detail = {}};
}

ProxyHeader parse_v1(std::string_view text) {
    if (!begins_alike(text, v1_start)) {
        return invalid(begins_alike(text, v2_signature)
                           ? "the header is of PROXY v2; write proxy_protocol = \"v2\", or configure the proxy"
                           : "the connection does not begin with a PROXY v1 header; configure the proxy to send one");
    }
    const std::size_t end = text.substr(0, v1_most).find('\n');
    if (end == std::string_view::npos) {
        if (text.size() < v1_most) return {};
        return invalid("the PROXY v1 header has no line end in its first 107 bytes");
    }
    const std::string_view line = text.substr(0, end);
    if (line.size() < v1_start.size() || !line.ends_with('\r'))
        return invalid("the line of the PROXY v1 header does not end with \\r\\n");
    return parse_v1_line(line.substr(v1_start.size(), line.size() - v1_start.size() - 1), end + 1);
}

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

std::size_t number_at(std::string_view text, std::size_t at) {
    return static_cast<std::size_t>(byte_at(text, at)) << 8 | byte_at(text, at + 1);
}

/// A field after the addresses: type, length, value.
struct Field {
    std::uint8_t type;
    std::string_view value;
};

/// Removes the first field from `fields`. Returns nullopt if it exceeds the header.
std::optional<Field> take_field(std::string_view& fields) {
    constexpr std::size_t head = 3;
    if (fields.size() < head) return std::nullopt;
    const std::size_t length = number_at(fields, 1);
    if (fields.size() - head < length) return std::nullopt;
    const Field field{byte_at(fields, 0), fields.substr(head, length)};
    fields.remove_prefix(head + length);
    return field;
}

bool are_fields(std::string_view fields) {
    while (!fields.empty()) {
        if (!take_field(fields)) return false;
    }
    return true;
}

/// Returns true if the header's CRC32C matches. The checksum's own four bytes count as zeros.
bool checksum_holds(std::string_view header, std::string_view checksum) {
    const auto at = static_cast<std::size_t>(checksum.data() - header.data());
    constexpr std::array<char, 4> zeros{};
    std::uint32_t crc = crc32c(std::span(header.data(), at));
    crc = crc32c(zeros, crc);
    crc = crc32c(std::span(header.data() + at + zeros.size(), header.size() - at - zeros.size()), crc);
    return crc == (static_cast<std::uint32_t>(number_at(checksum, 0)) << 16 | number_at(checksum, 2));
}

/// Returns the fault in the fields behind the addresses, or an empty text if they conform.
std::string_view fault_in_fields(std::string_view header, std::size_t begin) {
    constexpr std::uint8_t type_checksum = 0x03;
    constexpr std::uint8_t type_unique_id = 0x05;
    constexpr std::uint8_t type_tls = 0x20;
    constexpr std::size_t tls_head = 5;  // of the TLS field's value; nested fields follow
    bool has_checksum = false;
    for (std::string_view fields = header.substr(begin); !fields.empty();) {
        const auto field = take_field(fields);
        if (!field) return "a field of the PROXY v2 header is longer than the header";
        if (field->type == type_unique_id && field->value.size() > 128)
            return "the unique id in the PROXY v2 header is longer than 128 bytes";
        if (field->type == type_tls && (field->value.size() < tls_head || !are_fields(field->value.substr(tls_head))))
            return "the TLS field of the PROXY v2 header is malformed";
        if (field->type != type_checksum) continue;
        if (field->value.size() != 4 || std::exchange(has_checksum, true))
            return "the PROXY v2 header does not have exactly one checksum of four bytes";
        if (!checksum_holds(header, field->value)) return "the checksum (CRC32C) of the PROXY v2 header is wrong";
    }
    return {};
}

IpAddress address_at(std::string_view text, std::size_t at, bool v4) {
    IpAddress address;
    if (v4) address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(address.bytes.data() + (v4 ? 12 : 0), text.data() + at, v4 ? 4 : 16);
    return address;
}

ProxyHeader parse_v2_addresses(std::string_view header) {
    constexpr std::uint8_t unspecified = 0x00;
    constexpr std::uint8_t tcp4 = 0x11;
    constexpr std::uint8_t tcp6 = 0x21;
    const std::uint8_t family = byte_at(header, 13);
    if (family == unspecified) return local(header.size());
    if (family >> 4 == 3) return invalid("the PROXY v2 header is of a unix socket; make the proxy listen on TCP");
    if (family != tcp4 && family != tcp6) return invalid("the PROXY v2 header is not of a TCP connection");
    const std::size_t address_size = family == tcp4 ? 4 : 16;
    const std::size_t addresses = 2 * (address_size + 2);
    if (header.size() < v2_fixed + addresses) return invalid("the PROXY v2 header has no room for its addresses");
    if (const auto fault = fault_in_fields(header, v2_fixed + addresses); !fault.empty()) return invalid(fault);
    const Endpoint peer{address_at(header, v2_fixed, family == tcp4),
                        static_cast<std::uint16_t>(number_at(header, v2_fixed + 2 * address_size))};
    return {.kind = ProxyHeader::Kind::relayed, .size = header.size(), .peer = peer, .detail = {}};
}

ProxyHeader parse_v2(std::string_view text) {
    if (!begins_alike(text, v2_signature)) {
        return invalid(begins_alike(text, v1_start)
                           ? "the header is of PROXY v1; write proxy_protocol = \"v1\", or configure the proxy"
                           : "the connection does not begin with a PROXY v2 header; configure the proxy to send one");
    }
    constexpr std::uint8_t version_2 = 0x20;
    constexpr std::uint8_t max_known_command = 0x01;  // 0 is LOCAL, 1 is PROXY
    if (text.size() > 12 && (byte_at(text, 12) & 0xf0) != version_2)
        return invalid("the PROXY header has the signature of version 2 but another version");
    if (text.size() > 12 && (byte_at(text, 12) & 0x0f) > max_known_command)
        return invalid("the command in the PROXY v2 header is neither LOCAL nor PROXY");
    if (text.size() < v2_fixed) return {};
    const std::size_t size = v2_fixed + number_at(text, 14);
    if (size > max_proxy_header) return invalid("the PROXY v2 header is longer than 4 KiB");
    if (text.size() < size) return {};
    if ((byte_at(text, 12) & 0x0f) == 0) return local(size);  // LOCAL: the addresses are ignored
    return parse_v2_addresses(text.substr(0, size));
}

}  // namespace

ProxyHeader parse_proxy_header(ProxyProtocol version, std::span<const char> bytes) {
    HOLDFAST_CHECK(version != ProxyProtocol::off);
    const std::string_view text(bytes.data(), bytes.size());
    return version == ProxyProtocol::v1 ? parse_v1(text) : parse_v2(text);
}

bool is_proxys_own(const ProxyHeader& header, const Endpoint& proxy) noexcept {
    return header.kind == ProxyHeader::Kind::local ||
           (header.kind == ProxyHeader::Kind::relayed && header.peer == proxy);
}

std::uint32_t crc32c(std::span<const char> bytes, std::uint32_t crc) noexcept {
    constexpr std::uint32_t polynomial = 0x82f6'3b78;  // 0x1edc6f41 with its bits reversed
    crc = ~crc;
    for (const char byte : bytes) {
        crc ^= static_cast<std::uint8_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? polynomial : 0);
    }
    return ~crc;
}

}  // namespace holdfast
