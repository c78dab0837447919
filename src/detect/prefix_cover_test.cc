#include "detect/prefix_cover.h"

#include <algorithm>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/seed.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Addresses = std::vector<IpAddress>;

IpAddress ip(const std::string& text) { return parse_ip_address(text).value(); }

IpAddress v4(std::uint32_t number) {
    IpAddress address = ip("0.0.0.0");
    for (std::size_t i = 0; i < 4; ++i) address.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    return address;
}

/// Appends `count` consecutive addresses.
void append(Addresses& to, const std::string& first, std::size_t count) {
    std::uint32_t number = 0;
    const IpAddress address = ip(first);
    for (std::size_t i = 12; i < 16; ++i) number = number << 8U | address.bytes[i];
    for (std::uint32_t i = 0; i < count; ++i) to.push_back(v4(number + i));
}

Addresses range(const std::string& first, std::size_t count) {
    Addresses addresses;
    append(addresses, first, count);
    return addresses;
}

std::vector<std::string> names(const PrefixCover& cover) {
    std::vector<std::string> names;
    for (const PrefixShare& share : cover.prefixes) names.push_back(to_string(share.prefix));
    return names;
}

TEST(PrefixCover, NothingDeadIsNothing) {
    const PrefixCover none = cover({}, range("10.0.0.1", 10));
    EXPECT_THAT(none.prefixes, IsEmpty());
    EXPECT_EQ(none.elsewhere, 0U);
}

TEST(PrefixCover, NamesWhatAnOperatorWouldName) {
    Addresses alive = range("10.1.0.1", 3'000);
    append(alive, "10.3.0.1", 3'000);
    const PrefixCover found = cover(range("10.2.0.1", 4'000), alive);  // to 10.2.15.160
    EXPECT_THAT(names(found), ElementsAre("10.2.0.0/16"));
    EXPECT_EQ(found.prefixes[0].dead, 4'000U);
    EXPECT_EQ(found.prefixes[0].alive, 0U);
    EXPECT_EQ(found.elsewhere, 0U);
}

TEST(PrefixCover, IsNeverWiderThanTheLivingAllow) {
    Addresses alive = range("10.2.16.1", 1'000);
    append(alive, "10.2.128.1", 1'000);
    EXPECT_THAT(names(cover(range("10.2.0.1", 4'000), alive)), ElementsAre("10.2.0.0/20"));
}

TEST(PrefixCover, NamesTwoSitesWithTheLivingBetween) {
    Addresses dead = range("10.1.0.1", 500);
    append(dead, "10.3.0.1", 700);
    const PrefixCover found = cover(dead, range("10.2.0.1", 4'000));
    EXPECT_THAT(names(found), ElementsAre("10.3.0.0/16", "10.1.0.0/16"));
    EXPECT_EQ(found.prefixes[0].dead, 700U);
}

TEST(PrefixCover, EachFamilyHasPrefixesOfItsOwn) {
    Addresses dead = range("10.2.0.1", 500);
    for (std::uint8_t i = 0; i < 200; ++i) dead.push_back(ip("2001:db8:0:1::" + std::to_string(i + 1)));
    Addresses alive = range("10.3.0.1", 1'000);
    for (std::uint8_t i = 0; i < 100; ++i) alive.push_back(ip("2001:db8:9:1::" + std::to_string(i + 1)));
    const PrefixCover part = cover(dead, alive);
    EXPECT_THAT(names(part), ElementsAre("10.2.0.0/16", "2001:db8:0:1::/64"));
    EXPECT_EQ(part.prefixes[0].dead, 500U);
    EXPECT_EQ(part.prefixes[1].dead, 200U);
    EXPECT_EQ(part.elsewhere, 0U);
    EXPECT_THAT(names(cover(dead, {})), ElementsAre("10.2.0.0/16", "2001:db8:0:1::/64")) << "the whole population";
    EXPECT_THAT(names(cover(dead, range("10.3.0.1", 9))), ElementsAre("10.2.0.0/16", "2001:db8:0:1::/64"));
}

TEST(PrefixCover, StrayPeersOfTheOtherFamilyAreElsewhere) {
    Addresses dead = range("10.2.0.1", 500);
    dead.push_back(ip("2001:db8::1"));
    const PrefixCover found = cover(dead, range("10.3.0.1", 1'000));
    EXPECT_THAT(names(found), ElementsAre("10.2.0.0/16"));
    EXPECT_EQ(found.elsewhere, 1U);
}

TEST(PrefixCover, OneAddressOfManyConnectionsIsThatAddress) {
    const Addresses dead(400, ip("10.2.0.9"));
    EXPECT_THAT(names(cover(dead, range("10.2.0.10", 4'000))), ElementsAre("10.2.0.9/32"));
    EXPECT_THAT(names(cover(dead, {})), ElementsAre("10.2.0.9/32"));
    EXPECT_THAT(names(cover(Addresses(400, ip("2001:db8::7")), range("10.2.0.10", 4'000))),
                ElementsAre("2001:db8::7/128"));
}

TEST(PrefixCover, SingleDeathsByTheSideAreElsewhere) {
    Addresses dead = range("10.2.0.1", 1'000);
    Addresses alive = range("10.1.0.1", 4'000);
    append(alive, "10.4.0.1", 4'000);
    for (const char* other : {"10.1.3.4", "10.4.7.9", "10.1.0.200", "192.0.2.7"}) dead.push_back(ip(other));
    alive.push_back(ip("192.0.2.8"));
    const PrefixCover found = cover(dead, alive);
    EXPECT_THAT(names(found), ElementsAre("10.2.0.0/16"));
    EXPECT_EQ(found.elsewhere, 4U);
}

TEST(PrefixCover, AFewOfThePrefixMayLive) {
    Addresses dead = range("10.2.0.1", 900);
    Addresses alive = range("10.1.0.1", 4'000);
    Addresses some(dead.begin(), dead.begin() + 90);
    alive.insert(alive.end(), some.begin(), some.end());
    const PrefixCover found = cover(dead, alive);
    ASSERT_THAT(found.prefixes, SizeIs(1));
    EXPECT_EQ(to_string(found.prefixes[0].prefix), "10.2.0.0/22");
    EXPECT_EQ(found.prefixes[0].alive, 90U);
}

TEST(PrefixCover, AllOfThemAreTheirCommonPrefix) {
    Addresses dead = range("10.2.0.1", 900);
    append(dead, "10.77.0.1", 900);
    EXPECT_THAT(names(cover(dead, {})), ElementsAre("10.0.0.0/8"));
    append(dead, "192.0.2.1", 100);
    EXPECT_THAT(names(cover(dead, {})), ElementsAre("0.0.0.0/0"));
    EXPECT_THAT(names(cover(range("10.2.3.4", 1), {})), IsEmpty()) << "one is no prefix";
}

TEST(PrefixCover, Ipv6SitesEndAtTheirFields) {
    Addresses dead;
    Addresses alive = range("10.1.0.1", 1'000);
    for (int i = 0; i < 300; ++i) {
        dead.push_back(ip("2001:db8:7:" + std::to_string(i) + "::1"));
        alive.push_back(ip("2001:db8:8:" + std::to_string(i) + "::1"));
        alive.push_back(ip("2001:db8:6:" + std::to_string(i) + "::1"));
    }
    EXPECT_THAT(names(cover(dead, alive)), ElementsAre("2001:db8:7::/48"));
}

TEST(PrefixCover, MoreSitesThanCanBeNamedAreTheLargest) {
    Addresses dead;
    Addresses alive;
    for (int site = 0; site < 20; ++site) {
        append(site % 2 == 0 ? dead : alive, "10." + std::to_string(site) + ".0.1", 200 + static_cast<unsigned>(site));
    }
    const PrefixCover found = cover(dead, alive);
    EXPECT_THAT(found.prefixes, SizeIs(8));
    EXPECT_EQ(found.prefixes[0].dead, 218U);
    EXPECT_EQ(found.elsewhere, 200U + 202U);
}

class PrefixCoverChance : public testing::TestWithParam<int> {};

TEST_P(PrefixCoverChance, RandomDeathsHaveNoPrefix) {
    std::mt19937_64 random(test_seed() + static_cast<std::uint64_t>(GetParam()));
    const double share = GetParam() / 100.0;
    for (const std::size_t population : {40U, 400U, 10'000U}) {
        Addresses dead;
        Addresses alive;
        for (std::size_t i = 0; i < population; ++i) {
            const auto site = static_cast<std::uint32_t>(random() % 30);
            const auto host = static_cast<std::uint32_t>(random() % 4'096);
            const bool dies = std::uniform_real_distribution<>(0, 1)(random) < share;
            (dies ? dead : alive).push_back(v4(0x0a00'0000U + (site << 16U) + host));
        }
        const PrefixCover found = cover(dead, alive);
        EXPECT_THAT(names(found), IsEmpty()) << population << ", HOLDFAST_SEED=" << test_seed();
        EXPECT_EQ(found.elsewhere, dead.size());
    }
}

INSTANTIATE_TEST_SUITE_P(Percent, PrefixCoverChance, testing::Values(1, 5, 20, 35, 50));

TEST(PrefixCover, ASiteAmongManyIsFoundWhateverItsSize) {
    std::mt19937_64 random(test_seed());
    for (int round = 0; round < 200; ++round) {
        const auto bits = static_cast<unsigned>(std::uniform_int_distribution<>(10, 24)(random));
        const std::uint32_t size = 1U << (32 - bits);
        const std::uint32_t base = 0x2000'0000U + (static_cast<std::uint32_t>(random()) & 0x0fff'ffffU & ~(size - 1));
        Addresses dead;
        Addresses alive;
        for (int i = 0; i < 5'000; ++i) {
            const auto other = static_cast<std::uint32_t>(random());
            if ((other & ~(size - 1)) != base) alive.push_back(v4(other));
        }
        // Neighbours on both sides prevent the cover from rounding to a larger prefix.
        for (const std::uint32_t distance : {1U, size / 2, size}) {
            for (int i = 0; i < 8; ++i) alive.push_back(v4(base - distance));
            for (int i = 0; i < 8; ++i) alive.push_back(v4(base + size - 1 + distance));
        }
        dead.push_back(v4(base));
        dead.push_back(v4(base + size - 1));
        for (int i = 0; i < 400; ++i) dead.push_back(v4(base + static_cast<std::uint32_t>(random()) % size));
        for (int i = 0; i < 5; ++i) dead.push_back(alive[static_cast<std::size_t>(random() % 5'000)]);
        const PrefixCover found = cover(dead, alive);
        ASSERT_EQ(names(found), std::vector{to_string(Prefix{v4(base), 96 + bits})})
            << "round " << round << ", HOLDFAST_SEED=" << test_seed();
        EXPECT_EQ(found.elsewhere, 5U);
    }
}

TEST(PrefixCover, AMillionAreNoTrouble) {
    std::mt19937_64 random(test_seed());
    Addresses dead;
    Addresses alive;
    for (int i = 0; i < 100'000; ++i)
        dead.push_back(v4(0x0a02'0000U + (static_cast<std::uint32_t>(random()) & 0xffffU)));
    for (int i = 0; i < 1'000'000; ++i)
        alive.push_back(v4(0x0b00'0000U + (static_cast<std::uint32_t>(random()) >> 8U)));
    const PrefixCover found = cover(dead, alive);
    EXPECT_THAT(names(found), ElementsAre("10.2.0.0/16"));
    EXPECT_EQ(found.prefixes[0].dead, 100'000U);
}

}  // namespace
}  // namespace holdfast
