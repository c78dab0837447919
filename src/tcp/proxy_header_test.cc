#include "tcp/proxy_header.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Kind = ProxyHeader::Kind;
using testing::HasSubstr;

ProxyHeader v1(const std::string& bytes) { return parse_proxy_header(ProxyProtocol::v1, bytes); }
ProxyHeader v2(const std::string& bytes) { return parse_proxy_header(ProxyProtocol::v2, bytes); }

std::string number(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string field(char type, const std::string& value) { return type + number(value.size()) + value; }

/// Returns a header of version 2, with the bytes of command and family.
std::string header(char command, char family, const std::string& rest) {
    return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + family + number(rest.size()) + rest;
}
const std::string addresses4{"\xc0\x00\x02\x01\x0a\x00\x00\x01\xc9\x3a\x1b\x58", 12};  // 192.0.2.1:51514
std::string tcp4(const std::string& fields) { return header(0x21, 0x11, addresses4 + fields); }

/// Returns a header with a checksum in front of `behind`.
std::string with_checksum(const std::string& behind) {
    std::string bytes = tcp4(field(0x03, std::string(4, '\0')) + behind);
    const std::uint32_t crc = crc32c(bytes);
    for (std::size_t i = 0; i < 4; ++i) bytes[12 + 4 + 12 + 3 + i] = static_cast<char>(crc >> (24 - 8 * i));
    return bytes;
}

struct HeaderCase {
    std::string bytes;
    Kind kind;
    std::string peer_or_detail;  ///< the whole peer, or a part of the detail
};

void expect(ProxyProtocol version, const std::vector<HeaderCase>& cases) {
    for (const HeaderCase& one : cases) {
        const std::string items = R"({"ip":"10.0.0.1"})";
        const ProxyHeader got = parse_proxy_header(version, one.bytes + items);
        SCOPED_TRACE(testing::PrintToString(one.bytes));
        EXPECT_EQ(got.kind, one.kind) << got.detail;
        if (one.kind == Kind::invalid) {
            EXPECT_THAT(std::string(got.detail), HasSubstr(one.peer_or_detail));
            continue;
        }
        EXPECT_EQ(got.size, one.bytes.size());
        EXPECT_EQ(one.kind == Kind::relayed ? to_string(got.peer) : "", one.peer_or_detail);
        // Every strict prefix of the header is partial.
        for (std::size_t size = 0; size < one.bytes.size(); ++size) {
            ASSERT_EQ(parse_proxy_header(version, one.bytes.substr(0, size)).kind, Kind::partial) << size;
        }
    }
}

TEST(ProxyHeader, TheProxysOwnConnection) {
    const Endpoint proxy = parse_endpoint("192.0.2.9:41000").value();
    const auto is_own = [&proxy](std::string_view line) {
        return is_proxys_own(parse_proxy_header(ProxyProtocol::v1, line), proxy);
    };
    EXPECT_TRUE(is_own("PROXY UNKNOWN\r\n"));
    EXPECT_TRUE(is_own("PROXY TCP4 192.0.2.9 10.0.0.1 41000 7000\r\n"));
    EXPECT_FALSE(is_own("PROXY TCP4 192.0.2.9 10.0.0.1 41001 7000\r\n")) << "a device on the proxy's host";
    EXPECT_FALSE(is_own("PROXY TCP4 192.0.2.8 10.0.0.1 41000 7000\r\n"));
    EXPECT_FALSE(is_own("PROXY TCP4 192.0.2.9 10.0.0.1 41000 7000")) << "incomplete";
    EXPECT_FALSE(is_own("GET / HTTP/1.0\r\n"));
}

TEST(ProxyHeader, Version1) {
    const std::string v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    const std::string longest = "PROXY UNKNOWN " + v6 + " " + v6 + " 65535 65535\r\n";
    ASSERT_EQ(longest.size(), 107U);
    expect(ProxyProtocol::v1,
           {{"PROXY TCP4 192.0.2.1 10.0.0.1 51514 7000\r\n", Kind::relayed, "192.0.2.1:51514"},
            {"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Kind::relayed, "0.0.0.0:0"},
            {"PROXY TCP6 2001:db8::1 ::1 51514 7000\r\n", Kind::relayed, "[2001:db8::1]:51514"},
            {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Kind::relayed, "192.0.2.1:1"},
            {"PROXY TCP4 192.0.2.1 2001:db8::9 51514 7000\r\n", Kind::relayed, "192.0.2.1:51514"},
            {"PROXY TCP6 2001:db8::1 192.0.2.9 51514 7000\r\n", Kind::relayed, "[2001:db8::1]:51514"},
            {"PROXY TCP4 192.0.2.1 unix: 51514 0\r\n", Kind::relayed, "192.0.2.1:51514"},
            {"PROXY TCP6 2001:db8::1 unix:/run/nginx.sock 51514 0\r\n", Kind::relayed, "[2001:db8::1]:51514"},
            {"PROXY TCP4 unix: 192.0.2.1 51514 0\r\n", Kind::invalid, "an address"},
            {"PROXY TCP4 192.0.2.1 nowhere 51514 7000\r\n", Kind::invalid, "an address"},
            {"PROXY UNKNOWN\r\n", Kind::local, ""},
            {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", Kind::local, ""},
            {"PROXY UNKNOWNS\r\n", Kind::invalid, "neither TCP4, TCP6 nor UNKNOWN"},
            {"PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n", Kind::invalid, "neither"},
            {"PROXY \r\n", Kind::invalid, "neither"},
            {"PROXY TCP4\r\n", Kind::invalid, "does not have two addresses"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n", Kind::invalid, "does not have two addresses"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n", Kind::invalid, "does not have two addresses"},
            {"PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n", Kind::invalid, "does not have two addresses"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n", Kind::invalid, "does not have two addresses"},
            {"PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n", Kind::invalid, "an address"},
            {"PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n", Kind::invalid, "an address"},
            {"PROXY TCP6 192.0.2.1 ::1 1 2\r\n", Kind::invalid, "an address"},
            {"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Kind::invalid, "an address"},
            {"PROXY TCP4 localhost 10.0.0.1 1 2\r\n", Kind::invalid, "an address"},
            {std::string("PROXY TCP4 192.0.2.1\0 10.0.0.1 1 2\r\n", 37), Kind::invalid, "an address"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n", Kind::invalid, "a port"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n", Kind::invalid, "a port"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n", Kind::invalid, "a port"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2x\r\n", Kind::invalid, "a port"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n", Kind::invalid, "\\r\\n"},
            {longest, Kind::local, ""},
            {"PROXY UNKNOWN " + longest.substr(13), Kind::invalid, "107 bytes"},
            {"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n", Kind::invalid, "does not begin"},
            {R"({"ip":"10.0.0.1"})", Kind::invalid, "does not begin"},
            {"\x16\x03\x01", Kind::invalid, "does not begin"},
            {tcp4(""), Kind::invalid, "proxy_protocol = \"v2\""}});
}

TEST(ProxyHeader, Version2) {
    const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01' + std::string(15, '\0') +
                           '\x01' + "\xc9\x3a\x1b\x58";
    const std::string tls = std::string("\x01\0\0\0\0", 5);
    expect(ProxyProtocol::v2,
           {{tcp4(""), Kind::relayed, "192.0.2.1:51514"},
            {header(0x21, 0x21, v6), Kind::relayed, "[2001:db8::1]:51514"},
            {tcp4(field(0x04, "") + field('\xea', "vpce-08d2bf15fac5001c9")), Kind::relayed, "192.0.2.1:51514"},
            {tcp4(field(0x05, std::string(128, 'u'))), Kind::relayed, "192.0.2.1:51514"},
            {tcp4(field(0x05, std::string(129, 'u'))), Kind::invalid, "unique id"},
            {tcp4(field(0x20, tls + field(0x21, "TLSv1.3"))), Kind::relayed, "192.0.2.1:51514"},
            {tcp4(field(0x20, tls + "\x21")), Kind::invalid, "TLS field"},
            {tcp4(field(0x20, "\x01")), Kind::invalid, "TLS field"},
            {tcp4(std::string("\x04\x00", 2)), Kind::invalid, "longer than the header"},
            {tcp4(std::string("\x04\x00\x02x", 4)), Kind::invalid, "longer than the header"},
            {with_checksum(""), Kind::relayed, "192.0.2.1:51514"},
            {with_checksum(field(0x04, "xyz")), Kind::relayed, "192.0.2.1:51514"},
            {tcp4(field(0x03, "abcd")), Kind::invalid, "CRC32C"},
            {tcp4(field(0x03, "abc")), Kind::invalid, "one checksum of four bytes"},
            {with_checksum(field(0x03, "abcd")), Kind::invalid, ""},
            {header(0x20, 0x00, ""), Kind::local, ""},
            {header(0x20, 0x11, addresses4), Kind::local, ""},
            {header(0x20, 0x31, "what it holds is not looked at"), Kind::local, ""},
            {header(0x21, 0x00, "abc"), Kind::local, ""},
            {header(0x21, 0x31, std::string(216, 'x')), Kind::invalid, "unix socket"},
            {header(0x21, 0x32, ""), Kind::invalid, "unix socket"},
            {header(0x21, 0x12, addresses4), Kind::invalid, "not of a TCP connection"},
            {header(0x21, 0x41, addresses4), Kind::invalid, "not of a TCP connection"},
            {header(0x21, 0x11, addresses4.substr(1)), Kind::invalid, "no room"},
            {header(0x21, 0x21, addresses4), Kind::invalid, "no room"},
            {header(0x11, 0x11, addresses4), Kind::invalid, "another version"},
            {header(0x22, 0x11, addresses4), Kind::invalid, "neither LOCAL nor PROXY"},
            {tcp4(field(0x04, std::string(4'096 - 16 - 12 - 3, 'x'))), Kind::relayed, "192.0.2.1:51514"},
            {tcp4(field(0x04, std::string(4'096 - 16 - 12 - 2, 'x'))), Kind::invalid, "longer than 4 KiB"},
            {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n", Kind::invalid, "proxy_protocol = \"v1\""},
            {R"({"ip":"10.0.0.1"})", Kind::invalid, "does not begin"}});
}

TEST(ProxyHeader, IsRefusedAtItsFirstWrongByte) {
    EXPECT_EQ(v1("PROXX").kind, Kind::invalid);
    EXPECT_EQ(v2("\r\n\r\r").kind, Kind::invalid);
    EXPECT_EQ(v2(header(0x11, 0x11, addresses4).substr(0, 13)).kind, Kind::invalid);
    EXPECT_EQ(v2(header(0x21, 0x11, std::string(5'000, 'x')).substr(0, 16)).kind, Kind::invalid);
    EXPECT_EQ(v1(std::string("PROXY TCP4 ") + std::string(97, '1')).kind, Kind::invalid);
}

TEST(ProxyHeader, AWrongBitBreaksTheChecksum) {
    const std::string good = with_checksum(field(0x04, "noise"));
    for (std::size_t at = 16; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        const ProxyHeader got = v2(bad);
        // With another bit, the type of the checksum field itself becomes an unknown type, which is ignored. Every
        // other change breaks the checksum.
        EXPECT_EQ(got.kind, at == 16 + 12 ? Kind::relayed : Kind::invalid) << at << ": " << got.detail;
    }
}

TEST(Crc32c, AsRfc3720HasIt) {
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a91'36aaU);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8'ab43U);
    EXPECT_EQ(crc32c(std::string("123456789")), 0xe306'9283U);
    EXPECT_EQ(crc32c(std::string("6789"), crc32c(std::string("12345"))), 0xe306'9283U);
}

}  // namespace
}  // namespace holdfast
