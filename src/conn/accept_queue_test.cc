#include "conn/accept_queue.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IpAddress ip(const std::string& text) { return parse_ip_address(text).value(); }

TEST(AcceptQueue, SourcesTakeTurnsAndEachKeepsItsOrder) {
    AcceptQueue queue;
    for (Token number = 1; number <= 4; ++number) queue.add(ip("10.0.0.1"), number);
    queue.add(ip("10.0.0.2"), 5);
    queue.add(ip("2001:db8::1"), 6);
    queue.add(ip("2001:db8::ffff"), 7);  // in the same /64
    std::vector<Token> order;
    while (const auto next = queue.next()) order.push_back(*next);
    EXPECT_EQ(order, (std::vector<Token>{1, 5, 6, 2, 7, 3, 4}));
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.sources(), 0U);
}

TEST(AcceptQueue, ANewcomerIsNextHoweverManyOfAnotherWait) {
    AcceptQueue queue;
    for (Token number = 1; number <= 10'000; ++number) queue.add(ip("10.0.0.1"), number);
    EXPECT_EQ(queue.next(), Token{1});
    queue.add(ip("10.0.0.2"), 20'000);
    EXPECT_EQ(queue.next(), Token{2});
    EXPECT_EQ(queue.next(), Token{20'000});
}

TEST(AcceptQueue, TheSourceWithTheMostMakesPlace) {
    AcceptQueue queue;
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.9")), std::nullopt);
    queue.add(ip("10.0.0.2"), 1);
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.9")), std::nullopt);
    for (Token number = 10; number < 15; ++number) queue.add(ip("10.0.0.1"), number);
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.9")), Token{14});
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.1")), std::nullopt);
    EXPECT_TRUE(queue.remove(14));
    EXPECT_TRUE(queue.remove(10));
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.2")), Token{13});
    EXPECT_TRUE(queue.remove(13));
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.2")), std::nullopt);
    while (queue.next()) {
    }
    EXPECT_EQ(queue.crowding_out(ip("10.0.0.2")), std::nullopt);
}

TEST(AcceptQueue, AnEndedConnectionLeavesNothingBehind) {
    AcceptQueue queue;
    for (Token number = 1; number <= 100; ++number) queue.add(ip("10.0.0." + std::to_string(number % 10)), number);
    for (Token number = 1; number <= 100; number += 2) EXPECT_TRUE(queue.remove(number));
    EXPECT_FALSE(queue.remove(1));
    EXPECT_FALSE(queue.contains(1));
    EXPECT_EQ(queue.sources(), 5U);
    std::set<Token> rest;
    while (const auto next = queue.next()) rest.insert(*next);
    EXPECT_EQ(rest.size(), 50U);
    EXPECT_EQ(*rest.begin(), Token{2});
    EXPECT_EQ(queue.sources(), 0U);
}

}  // namespace
}  // namespace holdfast
