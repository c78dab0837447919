#include "load/downlink_book.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::vector<std::uint64_t> received(Framing framing, const std::string& stream, std::size_t step) {
    DownlinkInbox inbox;
    std::vector<GatewayWord> words;
    for (std::size_t at = 0; at < stream.size(); at += step)
        inbox.take(framing, std::span(stream).subspan(at, std::min(step, stream.size() - at)), words);
    std::vector<std::uint64_t> numbers;
    for (const GatewayWord& word : words) numbers.push_back(word.number);
    return numbers;
}

TEST(DownlinkInbox, NumbersAreReadHoweverTheBytesArrive) {
    for (const Framing framing : {Framing::ndjson, Framing::json, Framing::length}) {
        std::string stream;
        append_framed(stream, framing, downlink_item(1));
        append_framed(stream, framing, R"({"cmd":"reboot"})");
        append_framed(stream, framing, downlink_item(18'446'744'073'709'551'615ULL));
        append_framed(stream, framing, downlink_item(3));
        for (std::size_t step = 1; step <= stream.size(); ++step) {
            EXPECT_EQ(received(framing, stream, step),
                      (std::vector<std::uint64_t>{1, 18'446'744'073'709'551'615ULL, 3}));
        }
    }
}

TEST(DownlinkInbox, AHalfIsNoArrival) {
    std::string stream;
    append_framed(stream, Framing::length, downlink_item(1));
    stream.pop_back();
    EXPECT_TRUE(received(Framing::length, stream, 3).empty());
    EXPECT_TRUE(received(Framing::ndjson, downlink_item(1), 3).empty()) << "its line has not ended";
}

TEST(DownlinkInbox, AnythingMayArrive) {
    std::string noise;
    for (unsigned i = 0; i < 300'000; ++i) noise += static_cast<char>(i * 2'654'435'761U >> 13);
    for (const Framing framing : {Framing::ndjson, Framing::json, Framing::length}) {
        EXPECT_TRUE(received(framing, noise, 4'096).empty());
        EXPECT_TRUE(received(framing, std::string(300'000, '{'), 65'536).empty());
        EXPECT_TRUE(received(framing, std::string(300'000, 'x'), 65'536).empty());
    }
    EXPECT_EQ(received(Framing::ndjson, std::string(300'000, 'x') + "\n" + downlink_item(7) + "\n", 65'536).size(), 1U);
}

using Kind = GatewayWord::Kind;

TEST(GatewayWord, MessagesOfTheGatewayAreParsed) {
    EXPECT_EQ(gateway_word(downlink_item(7)), (GatewayWord{Kind::downlink, 7}));
    EXPECT_EQ(gateway_word(R"({"resume":0})"), (GatewayWord{Kind::resume, 0}));
    EXPECT_EQ(gateway_word(R"({"ack":9007199254740991})"), (GatewayWord{Kind::ack, 9'007'199'254'740'991ULL}));
    EXPECT_EQ(gateway_word(R"({"nack":4,"reason":"no_key"})"), (GatewayWord{Kind::nack, 4}));
    EXPECT_EQ(gateway_word(R"({"nack":4,"reason":"gap","expected":2})"), (GatewayWord{Kind::gap, 4}));
}

TEST(GatewayWord, AnythingElseIsNone) {
    for (const char* text :
         {"", "{}", R"({"load_downlink":})", R"({"load_downlink":-1})", R"({"load_downlink":1.5})",
          R"({"load_downlink":1,"x":2})", R"({"load_downlink":99999999999999999999})", R"({"load_downlink":7)",
          R"({"ack":7)", R"({"ack":7,"more":1})", R"({"ack": 7})", R"({"nack":7})", R"({"cmd":"reboot"})"})
        EXPECT_FALSE(gateway_word(text).has_value()) << text;
}

using namespace std::chrono_literals;

const SteadyTime start{};

Endpoint at(const char* text) { return parse_endpoint(text).value(); }

TEST(DownlinkBook, ArrivalAndAnswerMayComeInEitherOrder) {
    DownlinkBook book;
    const auto first = book.request(7, start);
    const auto second = book.request(8, start);
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
    const auto number = book.request(7, start);
    book.answered(number, 202);
    EXPECT_FALSE(book.arrived(number, 8, start));
    EXPECT_FALSE(book.arrived(number + 1, 7, start));
    EXPECT_TRUE(book.arrived(number, 7, start));
    EXPECT_FALSE(book.arrived(number, 7, start));
    EXPECT_EQ(book.counts().arrived, 1U);
}

TEST(DownlinkBook, WhatWasRefusedIsNotLostAndWhatWasNotAnsweredMayArrive) {
    DownlinkBook book;
    book.answered(book.request(1, start), 429);
    const auto silent = book.request(1, start);
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
