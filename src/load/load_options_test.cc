#include "load/load_options.h"

#include <set>

#include <gtest/gtest.h>

namespace holdfast {

namespace {

std::string nth(const char* range, std::uint64_t device) {
    return to_string(SourceRange::parse(range).value().of_device(device));
}

TEST(SourceRange, APrefixWithoutItsEnds) {
    EXPECT_EQ(nth("127.1.0.0/16", 0), "127.1.0.1");
    EXPECT_EQ(nth("127.1.0.0/16", 255), "127.1.1.0");
    EXPECT_EQ(nth("127.1.0.0/16", 65'533), "127.1.255.254");
    EXPECT_EQ(nth("127.1.0.0/16", 65'534), "127.1.0.1");
    EXPECT_EQ(SourceRange::parse("127.1.0.0/16").value().size(), 65'534U);
    EXPECT_EQ(SourceRange::parse("127.0.0.0/8").value().size(), (1U << 24) - 2);
    EXPECT_EQ(nth("fd00::/64", 1), "fd00::2");
}

TEST(SourceRange, ARangeWithItsEnds) {
    EXPECT_EQ(nth("127.1.0.250-127.1.1.3", 0), "127.1.0.250");
    EXPECT_EQ(nth("127.1.0.250-127.1.1.3", 9), "127.1.1.3");
    EXPECT_EQ(nth("127.1.0.250-127.1.1.3", 10), "127.1.0.250");
}

TEST(SourceRange, OneAddress) {
    EXPECT_EQ(nth("127.1.0.1", 17), "127.1.0.1");
    EXPECT_EQ(nth("127.1.0.4/31", 1), "127.1.0.5");
    EXPECT_EQ(nth("127.1.0.1-127.1.0.1", 3), "127.1.0.1");
}

TEST(SourceRange, WhatIsNone) {
    for (const char* text : {"", "-", "127.1.0.1-", "127.1.0.9-127.1.0.1", "127.1.0.1/16", "127.1.0.1-::1", "a-b"}) {
        EXPECT_FALSE(SourceRange::parse(text).ok()) << text;
    }
}

TEST(SourceRange, AddressesAreDistinctUntilTheyRepeat) {
    const auto range = SourceRange::parse("127.3.0.0/22").value();
    std::set<IpAddress> seen;
    for (std::uint32_t device = 0; device < range.size(); ++device) seen.insert(range.of_device(device));
    EXPECT_EQ(seen.size(), range.size());
}

}  // namespace

namespace {

Endpoint target(const char* text) { return parse_endpoint(text).value(); }

TEST(TargetGuard, OwnGround) {
    for (const char* text : {"127.0.0.1:1", "127.255.255.255:1", "10.0.0.1:7000", "172.16.0.1:1", "172.31.255.255:1",
                             "192.168.1.1:1", "169.254.1.1:1", "[::1]:1", "[fd00::1]:1", "[fe80::1]:1"}) {
        EXPECT_TRUE(check_target(target(text), false).ok()) << text;
    }
}

TEST(TargetGuard, Strangers) {
    for (const char* text :
         {"8.8.8.8:1", "126.255.255.255:1", "128.0.0.1:1", "11.0.0.1:1", "9.255.255.255:1", "172.15.255.255:1",
          "172.32.0.1:1", "192.167.255.255:1", "192.169.0.0:1", "[2001:db8::1]:1", "[::2]:1", "[fec0::1]:1"}) {
        EXPECT_FALSE(check_target(target(text), false).ok()) << text;
        EXPECT_TRUE(check_target(target(text), true).ok()) << text;
    }
}

TEST(TargetGuard, APortIsNeeded) { EXPECT_FALSE(check_target(target("127.0.0.1:0"), true).ok()); }

}  // namespace

}  // namespace holdfast
