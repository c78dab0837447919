#include "conn/half_open.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IpAddress address(const char* text) { return parse_ip_address(text).value(); }

constexpr SteadyTime now{std::chrono::seconds(1)};

Token replaced(const HalfOpen& half_open, const char* newcomer) {
    const auto candidate = half_open.to_replace(address(newcomer));
    return candidate ? candidate->number : 0;
}

TEST(HalfOpen, TheSourceWithMostGivesUpItsOldest) {
    HalfOpen half_open;
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 0U);
    half_open.add(1, address("10.0.0.1"), now);
    half_open.add(2, address("10.0.0.2"), now);
    half_open.add(3, address("10.0.0.2"), now);
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 2U);
    half_open.remove(2);
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 1U) << "one each: the oldest";
    half_open.remove(1);
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 3U);
    half_open.remove(3);
    half_open.remove(3);
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 0U);
}

TEST(HalfOpen, ASixtyFourIsOneSource) {
    HalfOpen half_open;
    half_open.add(1, address("10.0.0.1"), now);
    half_open.add(2, address("2001:db8:1:1::1"), now);
    half_open.add(3, address("2001:db8:1:1:ffff::9"), now);
    EXPECT_EQ(replaced(half_open, "10.0.0.9"), 2U);
}

TEST(HalfOpen, OnlyASourceThatHasMoreThanTheNewcomersGivesWayAtOnce) {
    HalfOpen half_open;
    half_open.add(1, address("10.0.0.1"), now);
    half_open.add(2, address("10.0.0.2"), now + std::chrono::seconds(1));
    EXPECT_FALSE(half_open.to_replace(address("10.0.0.9"))->by_share);
    EXPECT_EQ(half_open.to_replace(address("10.0.0.9"))->since, now);
    half_open.add(3, address("10.0.0.1"), now);
    EXPECT_TRUE(half_open.to_replace(address("10.0.0.9"))->by_share);
    EXPECT_FALSE(half_open.to_replace(address("10.0.0.2"))->by_share) << "it would have as many";
    EXPECT_FALSE(half_open.to_replace(address("10.0.0.1"))->by_share);
}

TEST(HalfOpen, OneWithASingleHandshakeOutlivesAFloodFromAnotherSource) {
    HalfOpen half_open;
    half_open.add(1, address("10.0.0.1"), now);
    for (Token number = 2; number < 100; ++number) half_open.add(number, address("10.0.0.2"), now);
    for (Token number = 100; number < 1'000; ++number) {
        const Token oldest = replaced(half_open, "10.0.0.2");
        ASSERT_NE(oldest, 0U);
        EXPECT_NE(oldest, 1U);
        half_open.remove(oldest);
        half_open.add(number, address("10.0.0.2"), now);
    }
}

}  // namespace
}  // namespace holdfast
