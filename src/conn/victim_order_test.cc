#include "conn/victim_order.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using Holder = VictimOrder::Holder;
using Rank = VictimOrder::Rank;

IpAddress ip_of(const char* text) { return parse_ip_address(text).value(); }

/// Returns the order in which holders end. The bytes of a source are the sum of its holders without idle sessions.
std::vector<Token> order_of(std::vector<Holder> holders, bool authenticated_too = true) {
    VictimOrder order;
    for (Holder& holder : holders) {
        for (const Holder& other : holders) {
            if (other.source == holder.source && other.rank != Rank::idle_session) holder.source_bytes += other.bytes;
        }
    }
    for (const Holder& holder : holders) order.add(holder);
    std::vector<Token> chosen;
    while (const auto next = order.next(authenticated_too)) chosen.push_back(next->number);
    return chosen;
}

Holder holder(Token number, const char* source, std::size_t bytes, bool authenticated = false,
              Rank rank = Rank::holds) {
    return {.number = number, .source = ip_of(source), .bytes = bytes, .authenticated = authenticated, .rank = rank};
}

TEST(VictimOrder, UnauthenticatedComeFirstHoweverLittleTheyHold) {
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 60'000, true), holder(2, "10.0.0.2", 10)}), ElementsAre(2, 1));
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 60'000, true), holder(2, "10.0.0.2", 10, false, Rank::idle_session)}),
                ElementsAre(2, 1));
}

TEST(VictimOrder, TheSourceThatHoldsMostPaysUntilAnotherDoes) {
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 100), holder(2, "10.0.0.2", 60), holder(3, "10.0.0.2", 70),
                          holder(4, "10.0.0.3", 90)}),
                ElementsAre(3, 1, 4, 2));
}

TEST(VictimOrder, ManySmallHoldingsOfOneSourceComeBeforeALargeOneOfAnother) {
    std::vector<Holder> holders{holder(1, "10.0.0.1", 5'000)};
    for (Token number = 2; number < 12; ++number) holders.push_back(holder(number, "10.0.0.2", 1'000));
    const std::vector<Token> chosen = order_of(holders);
    ASSERT_EQ(chosen.size(), 11U);
    EXPECT_NE(chosen[4], 1U);
    EXPECT_EQ(chosen[5], 1U) << "both sources hold 5,000 then, and its address is lower";
}

TEST(VictimOrder, IdleSessionsComeLastHoweverManyTheirSourceHas) {
    std::vector<Holder> holders;
    for (Token number = 1; number <= 300; ++number) {
        holders.push_back(holder(number, "10.0.0.1", 14'000, false, Rank::idle_session));
    }
    for (Token number = 301; number <= 310; ++number) holders.push_back(holder(number, "10.0.0.2", 20));
    const std::vector<Token> chosen = order_of(holders);
    ASSERT_EQ(chosen.size(), 310U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_GT(chosen[i], 300U) << i;
}

TEST(VictimOrder, WhatIsSparedWaits) {
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 30'000, false, Rank::spared), holder(2, "10.0.0.2", 10),
                          holder(3, "10.0.0.3", 14'000, false, Rank::idle_session)}),
                ElementsAre(2, 1, 3));
}

TEST(VictimOrder, AHandshakeThatHasJustBegunWaitsForAllThatIsUnfinished) {
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 48'000, false, Rank::begins),
                          holder(2, "10.0.0.2", 20'000, false, Rank::spared),
                          holder(3, "10.0.0.3", 14'000, false, Rank::idle_session)}),
                ElementsAre(2, 1, 3));
}

TEST(VictimOrder, OfVeryManyTheFirstAreChosenRightly) {
    VictimOrder order;
    const auto add = [&order](Token number, std::size_t bytes, bool authenticated) {
        IpAddress source = ip_of("10.0.0.0");
        source.bytes[13] = static_cast<std::uint8_t>(number >> 16);
        source.bytes[14] = static_cast<std::uint8_t>(number >> 8);
        source.bytes[15] = static_cast<std::uint8_t>(number);
        order.add({.number = number,
                   .source = source,
                   .source_bytes = bytes,
                   .bytes = bytes,
                   .authenticated = authenticated});
    };
    constexpr Token many = 50'000;
    for (Token number = 1; number <= many; ++number) add(number, 1'000 + number, false);
    for (Token number = many + 1; number <= 2 * many; ++number) add(number, 1'000'000, true);
    for (Token expected = many; expected > many - 5'000; --expected) {
        const auto next = order.next(true);
        ASSERT_TRUE(next);
        ASSERT_EQ(next->number, expected);
    }
}

TEST(VictimOrder, ASourceIsJudgedByAllThatItHolds) {
    // 10.0.0.2 holds less in this rank, but more in total.
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 100), holder(2, "10.0.0.2", 50),
                          holder(3, "10.0.0.2", 80, false, Rank::spared)}),
                ElementsAre(2, 1, 3));
}

TEST(VictimOrder, AuthenticatedOnesAreSparedWhereTheCallerSaysSo) {
    const std::vector<Holder> holders{holder(1, "10.0.0.1", 100, true), holder(2, "10.0.0.2", 1)};
    EXPECT_THAT(order_of(holders, false), ElementsAre(2));
}

TEST(VictimOrder, EqualsGoInTheOrderInWhichTheyWereAdded) {
    EXPECT_THAT(order_of({holder(1, "10.0.0.1", 10), holder(2, "10.0.0.1", 10), holder(3, "10.0.0.1", 10)}),
                ElementsAre(1, 2, 3));
}

TEST(VictimOrder, TheRankOfWhatIsHeld) {
    using std::chrono::milliseconds;
    struct Row {
        const char* what;
        HeldMemory held;
        Rank rank;
    };
    const Row rows[] = {
        {"an old item", {.age = milliseconds(1'000), .bytes = 100, .source_bytes = 100, .average = 100}, Rank::holds},
        {"one that begins", {.age = milliseconds(999), .bytes = 100, .source_bytes = 100, .average = 1}, Rank::spared},
        {"one that begins beside others of its source",
         {.age = milliseconds(0), .bytes = 100, .source_bytes = 101, .average = 100},
         Rank::holds},
        {"an old item of a small source",
         {.age = milliseconds(20'000), .bytes = 49, .source_bytes = 49, .average = 100},
         Rank::spared},
        {"a queue that stands still",
         {.age = milliseconds(2'000), .bytes = 9, .source_bytes = 9, .average = 9},
         Rank::holds},
        {"a queue that drains", {.drains = true, .bytes = 900, .source_bytes = 900, .average = 9}, Rank::spared},
        {"a handshake that begins",
         {.in_handshake = true, .age = milliseconds(0), .bytes = 48, .source_bytes = 4'800, .average = 48},
         Rank::begins},
        {"a handshake that stands still",
         {.in_handshake = true, .age = milliseconds(1'000), .bytes = 48, .source_bytes = 48, .average = 48},
         Rank::holds},
    };
    for (const Row& row : rows) EXPECT_EQ(rank_of(row.held), row.rank) << row.what;
}

TEST(VictimOrder, ChoosesNoneOfNone) { EXPECT_THAT(order_of({}), ElementsAre()); }

}  // namespace
}  // namespace holdfast
