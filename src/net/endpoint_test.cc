#include <algorithm>

#include <gtest/gtest.h>

#include <holdfast/endpoint.h>

#include "net/address.h"

namespace holdfast {
namespace {

TEST(Endpoint, AnErrorShowsNoControlCharacters) {
    for (const char* text : {"0.0.\t0.0:7080", "1.2.3\n", "\x1b[2J:1"}) {
        const auto message = parse_endpoint(text).error().message;
        EXPECT_TRUE(std::none_of(message.begin(), message.end(), [](char c) { return c >= 0 && c < ' '; })) << message;
    }
}

TEST(Endpoint, TextRoundTrips) {
    for (const char* text : {"127.0.0.1:7000", "0.0.0.0:0", "[::]:7000", "[2001:db8::1]:65535"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(to_string(endpoint.value()), text);
    }
}

TEST(Endpoint, RefusesWhatIsNotOne) {
    for (const char* text :
         {"", ":", "7000", "127.0.0.1", "127.0.0.1:", ":7000", "::1:7000", "[::1]", "127.0.0.1:65536", "127.0.0.1:-1",
          "localhost:7000", "127.0.0.1:7000x", "[127.0.0.1]:7000"}) {
        EXPECT_FALSE(parse_endpoint(text)) << text;
    }
}

TEST(Endpoint, MappedAddressesArePrintedAsIpv4) {
    EXPECT_EQ(to_string(parse_ip_address("::ffff:10.2.0.9").value()), "10.2.0.9");
    EXPECT_EQ(parse_ip_address("::ffff:10.2.0.9").value(), parse_ip_address("10.2.0.9").value());
}

TEST(Prefix, ContainsItsAddressesAndNoOther) {
    const Prefix prefix = parse_prefix("10.2.0.0/16").value();
    EXPECT_TRUE(prefix.contains(parse_ip_address("10.2.255.1").value()));
    EXPECT_FALSE(prefix.contains(parse_ip_address("10.3.0.0").value()));
    EXPECT_FALSE(prefix.contains(parse_ip_address("::").value()));
    const Prefix odd = parse_prefix("10.2.0.128/25").value();
    EXPECT_TRUE(odd.contains(parse_ip_address("10.2.0.200").value()));
    EXPECT_FALSE(odd.contains(parse_ip_address("10.2.0.127").value()));
    const Prefix v6 = parse_prefix("2001:db8::/33").value();
    EXPECT_TRUE(v6.contains(parse_ip_address("2001:db8:7fff::1").value()));
    EXPECT_FALSE(v6.contains(parse_ip_address("2001:db8:8000::1").value()));
    EXPECT_TRUE(parse_prefix("::/0").value().contains(parse_ip_address("10.0.0.1").value()));
    EXPECT_FALSE(parse_prefix("0.0.0.0/0").value().contains(parse_ip_address("2001:db8::1").value()));
}

TEST(Address, IsMaskedToItsFirstBits) {
    const IpAddress address = parse_ip_address("2001:db8:ffff::ff").value();
    EXPECT_EQ(to_string(masked(address, 0)), "::");
    EXPECT_EQ(to_string(masked(address, 32)), "2001:db8::");
    EXPECT_EQ(to_string(masked(address, 33)), "2001:db8:8000::");
    EXPECT_EQ(to_string(masked(address, 127)), "2001:db8:ffff::fe");
    EXPECT_EQ(masked(address, 128), address);
}

TEST(Prefix, OneAddressIsAPrefix) {
    const Prefix one = parse_prefix("10.2.0.9").value();
    EXPECT_EQ(to_string(one), "10.2.0.9/32");
    EXPECT_FALSE(one.contains(parse_ip_address("10.2.0.8").value()));
}

TEST(Prefix, RefusesWhatIsNotOne) {
    for (const char* text :
         {"", "/", "10.2.0.0/", "10.2.0.0/33", "10.2.0.0/-1", "10.2/16", "2001:db8::/129", "10.2.0.0/16/2", "x/8"}) {
        EXPECT_FALSE(parse_prefix(text)) << text;
    }
    EXPECT_EQ(parse_prefix("10.2.0.1/16").error().message,
              "\"10.2.0.1/16\" has bits set behind its prefix length; did you mean 10.2.0.0/16?");
}

IpAddress ip(const char* text) { return parse_ip_address(text).value(); }

TEST(AddressKind, Loopback) {
    for (const char* text : {"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(is_loopback(ip(text))) << text;
    }
    for (const char* text : {"126.255.255.255", "128.0.0.0", "::", "::2", "::127.0.0.1", "10.0.0.1", "0.0.0.0"}) {
        EXPECT_FALSE(is_loopback(ip(text))) << text;
    }
}

TEST(AddressKind, Unspecified) {
    for (const char* text : {"0.0.0.0", "::", "::ffff:0.0.0.0"}) EXPECT_TRUE(is_unspecified(ip(text))) << text;
    for (const char* text : {"0.0.0.1", "::1", "127.0.0.1"}) EXPECT_FALSE(is_unspecified(ip(text))) << text;
}

TEST(AddressKind, Private) {
    for (const char* text : {"127.0.0.1", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1",
                             "169.254.1.1", "::1", "fd00::1", "fe80::1", "febf::1"}) {
        EXPECT_TRUE(is_private(ip(text))) << text;
    }
    for (const char* text : {"8.8.8.8", "128.0.0.1", "11.0.0.0", "9.255.255.255", "172.15.255.255", "172.32.0.0",
                             "192.167.255.255", "192.169.0.0", "2001:db8::1", "::2", "fec0::1", "0.0.0.0", "::"}) {
        EXPECT_FALSE(is_private(ip(text))) << text;
    }
}

}  // namespace

}  // namespace holdfast
