#include "conn/source_bytes.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IpAddress ip(const char* text) { return parse_ip_address(text).value(); }

TEST(SourceBytes, SumsByAddressAndBySixtyFour) {
    SourceBytes sources;
    sources.change(ip("10.0.0.1"), 0, 100);
    sources.change(ip("10.0.0.1"), 0, 50);
    sources.change(ip("2001:db8:1:1::1"), 0, 10);
    sources.change(ip("2001:db8:1:1::2"), 0, 20);
    EXPECT_EQ(sources.of(ip("10.0.0.1")), 150U);
    EXPECT_EQ(sources.of(ip("10.0.0.2")), 0U);
    EXPECT_EQ(sources.of(ip("2001:db8:1:1::3")), 30U);
    EXPECT_EQ(sources.total(), 180U);
    EXPECT_EQ(sources.average(), 90U);
}

TEST(SourceBytes, WhatIsGivenBackIsGone) {
    SourceBytes sources;
    EXPECT_EQ(sources.average(), 0U);
    sources.change(ip("10.0.0.1"), 0, 100);
    sources.change(ip("10.0.0.2"), 0, 50);
    sources.change(ip("10.0.0.1"), 100, 20);
    EXPECT_EQ(sources.of(ip("10.0.0.1")), 20U);
    sources.change(ip("10.0.0.1"), 20, 0);
    EXPECT_EQ(sources.average(), 50U);
    sources.change(ip("10.0.0.3"), 70, 0);  // never counted
    EXPECT_EQ(sources.total(), 50U);
}

}  // namespace
}  // namespace holdfast
