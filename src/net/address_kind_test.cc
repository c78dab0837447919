#include "net/address_kind.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

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
