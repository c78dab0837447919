#include "conn/half_open.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IpAddress ip(const char* text) { return parse_ip_address(text).value(); }

TEST(HalfOpen, TheSourceWithMostGivesUpItsOldest) {
    HalfOpen half_open;
    EXPECT_EQ(half_open.to_replace(), std::nullopt);
    half_open.add(1, ip("10.0.0.1"));
    half_open.add(2, ip("10.0.0.2"));
    half_open.add(3, ip("10.0.0.2"));
    EXPECT_EQ(half_open.to_replace(), 2U);
    half_open.remove(2);
    EXPECT_EQ(half_open.to_replace(), 1U) << "one each: the oldest";
    half_open.remove(1);
    EXPECT_EQ(half_open.to_replace(), 3U);
    half_open.remove(3);
    half_open.remove(3);
    EXPECT_EQ(half_open.to_replace(), std::nullopt);
}

TEST(HalfOpen, ASixtyFourIsOneSource) {
    HalfOpen half_open;
    half_open.add(1, ip("10.0.0.1"));
    half_open.add(2, ip("2001:db8:1:1::1"));
    half_open.add(3, ip("2001:db8:1:1:ffff::9"));
    EXPECT_EQ(half_open.to_replace(), 2U);
}

TEST(HalfOpen, OneWithASingleHandshakeOutlivesAFloodFromAnotherSource) {
    HalfOpen half_open;
    half_open.add(1, ip("10.0.0.1"));
    for (Token number = 2; number < 100; ++number) half_open.add(number, ip("10.0.0.2"));
    for (Token number = 100; number < 1'000; ++number) {
        const auto replaced = half_open.to_replace();
        ASSERT_TRUE(replaced);
        EXPECT_NE(*replaced, 1U);
        half_open.remove(*replaced);
        half_open.add(number, ip("10.0.0.2"));
    }
}

}  // namespace
}  // namespace holdfast
