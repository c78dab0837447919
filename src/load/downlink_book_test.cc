#include "load/downlink_book.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

const SteadyTime start{};

Endpoint at(const char* text) { return parse_endpoint(text).value(); }

TEST(DownlinkBook, ArrivalAndAnswerMayComeInEitherOrder) {
    DownlinkBook book;
    const auto first = book.ask(7, start);
    const auto second = book.ask(8, start);
    book.answered(first, 202);
    EXPECT_EQ(book.counts().lost, 1U);
    EXPECT_TRUE(book.arrived(first, 7, start + 2ms));
    EXPECT_TRUE(book.arrived(second, 8, start + 5ms));
    book.answered(second, 202);
    const DownlinkCounts counts = book.counts();
    EXPECT_EQ(counts.asked, 2U);
    EXPECT_EQ(counts.accepted, 2U);
    EXPECT_EQ(counts.arrived, 2U);
    EXPECT_EQ(counts.lost, 0U);
    EXPECT_EQ(counts.latency.count(), 2U);
    EXPECT_EQ(counts.latency.longest(), 5ms);
}

TEST(DownlinkBook, OnlyRequestedDownlinksOfThisDeviceCountAndOnce) {
    DownlinkBook book;
    const auto number = book.ask(7, start);
    book.answered(number, 202);
    EXPECT_FALSE(book.arrived(number, 8, start));
    EXPECT_FALSE(book.arrived(number + 1, 7, start));
    EXPECT_TRUE(book.arrived(number, 7, start));
    EXPECT_FALSE(book.arrived(number, 7, start));
    EXPECT_EQ(book.counts().arrived, 1U);
}

TEST(DownlinkBook, WhatWasRefusedIsNotLostAndWhatWasNotAnsweredMayArrive) {
    DownlinkBook book;
    book.answered(book.ask(1, start), 429);
    const auto silent = book.ask(1, start);
    book.answered(silent, std::nullopt);
    EXPECT_TRUE(book.arrived(silent, 1, start));
    const DownlinkCounts counts = book.counts();
    EXPECT_EQ(counts.refused.at(429), 1U);
    EXPECT_EQ(counts.unanswered, 1U);
    EXPECT_EQ(counts.arrived, 1U);
    EXPECT_EQ(counts.lost, 0U);
}

TEST(DownlinkBook, ItKnowsWhereDevicesAre) {
    DownlinkBook book;
    book.connected(1, at("127.0.0.1:5000"));
    EXPECT_EQ(book.device_at(at("127.0.0.1:5000")), 1U);
    EXPECT_FALSE(book.device_at(at("127.0.0.1:5001")).has_value());
    book.connected(2, at("127.0.0.1:5000"));  // port reused before the end of 1 is reported
    book.disconnected(1);
    EXPECT_EQ(book.device_at(at("127.0.0.1:5000")), 2U);
    EXPECT_EQ(book.devices(), 1U);
    const auto version = book.version();
    book.disconnected(2);
    EXPECT_EQ(book.devices(), 0U);
    EXPECT_GT(book.version(), version);
}

}  // namespace
}  // namespace holdfast
