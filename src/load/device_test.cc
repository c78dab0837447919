#include "load/device.h"

#include <set>

#include <gtest/gtest.h>

#include "codec/framing.h"
#include "codec/item.h"

namespace holdfast {
namespace {

std::string item(const ItemStyle& style, std::uint64_t device, std::uint64_t seq) {
    std::string out;
    ItemMaker(style).append(out, device, seq);
    return out;
}

TEST(DeviceItems, WhatTheyLookLike) {
    EXPECT_EQ(item({}, 0, 1), "{\"ip\":\"10.0.0.1\",\"status\":\"online\",\"seq\":1}\n");
    EXPECT_EQ(item({.framing = Framing::json}, 256, 17), R"({"ip":"10.0.1.1","status":"online","seq":17})");
    const std::string length = item({.framing = Framing::length}, 0, 1);
    EXPECT_EQ(length.substr(0, 4), std::string("\0\0\0\x2b", 4));
    EXPECT_EQ(length.size(), 4U + 0x2b);
    EXPECT_EQ(item({.key_field = "id", .key_template = "dev-{n}/{seq}{x}"}, 12, 3),
              "{\"id\":\"dev-12/3{x}\",\"status\":\"online\",\"seq\":3}\n");
}

TEST(DeviceItems, PaddedToTheByte) {
    for (const std::size_t bytes : {60U, 64U, 1'024U, 100'000U})
        EXPECT_EQ(item({.bytes = bytes}, 5, 9).size(), bytes + 1);
    EXPECT_EQ(item({.bytes = 3}, 0, 1), item({}, 0, 1));
}

TEST(DeviceItems, KeysOfAFleetAreDistinct) {
    std::set<std::string> seen;
    for (std::uint64_t device = 0; device < 70'000; ++device) seen.insert(item({}, device, 1));
    EXPECT_EQ(seen.size(), 70'000U);
}

/// Returns the good and bad items that the gateway's codec finds in a stream.
std::pair<unsigned, unsigned> decoded(Framing framing, const std::string& stream) {
    std::string padded = stream;
    padded.append(256, '\0');
    unsigned good = 0;
    unsigned bad = 0;
    FrameScan scan;
    ItemDecoder decoder("ip", 64, 64 * 1024);
    for (std::size_t at = 0; at < stream.size();) {
        const std::span<const char> window(padded.data() + at, stream.size() - at);
        const Frame frame = next_frame(framing, window, scan, 64 * 1024);
        if (frame.kind == Frame::Kind::partial) break;
        std::size_t next = frame.next;
        if (frame.kind == Frame::Kind::item &&
            decoder.decode({window.data() + frame.begin, frame.end - frame.begin}).bad == std::nullopt) {
            ++good;
        } else {
            ++bad;
            if (framing == Framing::json)
                next = resync_after(window, frame.kind == Frame::Kind::item ? frame.begin : frame.next);
        }
        at += next;
    }
    return {good, bad};
}

TEST(DeviceItems, BadOnesAreBadToTheGatewayAndOnlyThose) {
    for (const Framing framing : {Framing::ndjson, Framing::length}) {
        const ItemMaker maker({.framing = framing, .bad = 0.3, .seed = 11});
        std::string stream;
        unsigned good = 0;
        for (std::uint64_t seq = 1; seq <= 1'000; ++seq) {
            if (maker.append(stream, 3, seq)) ++good;
        }
        EXPECT_NEAR(good, 700, 60);
        EXPECT_EQ(decoded(framing, stream), std::pair(good, 1'000 - good)) << to_string(framing);
    }
}

TEST(DeviceItems, TheSameSeedMakesTheSameBadOnes) {
    const ItemStyle style{.bad = 0.5, .seed = 5};
    unsigned different = 0;
    for (std::uint64_t seq = 1; seq <= 100; ++seq) {
        EXPECT_EQ(item(style, 1, seq), item(style, 1, seq));
        if (item(style, 1, seq) != item({.bad = 0.5, .seed = 6}, 1, seq)) ++different;
    }
    EXPECT_GT(different, 20U);
}

TEST(DeviceItems, StylesThatCannotBeAreRefused) {
    EXPECT_TRUE(check_style({}).ok());
    EXPECT_FALSE(check_style({.key_field = ""}).ok());
    EXPECT_FALSE(check_style({.key_field = "a\"b"}).ok());
    EXPECT_FALSE(check_style({.key_template = "a\\b"}).ok());
    EXPECT_FALSE(check_style({.key_template = "\n"}).ok());
    EXPECT_FALSE(check_style({.bytes = 2 * 1024 * 1024}).ok());
    EXPECT_FALSE(check_style({.bad = 1.1}).ok());
}

using namespace std::chrono_literals;

SteadyTime at(std::chrono::milliseconds time) { return SteadyTime{} + time; }

TEST(Unacked, AnAckCoversWhatIsNewAndTimesEachItem) {
    Unacked unacked;
    LatencyHistogram latency;
    unacked.made(10, at(0ms));
    unacked.made(11, at(5ms));
    EXPECT_EQ(unacked.acknowledge(4, at(10ms), latency), 4U);
    EXPECT_EQ(unacked.acknowledge(4, at(11ms), latency), 0U) << "told twice";
    EXPECT_EQ(unacked.acknowledge(2, at(11ms), latency), 0U) << "never less";
    EXPECT_EQ(unacked.acknowledge(11, at(20ms), latency), 7U);
    EXPECT_EQ(unacked.count(), 0U);
    EXPECT_EQ(latency.count(), 11U);
    EXPECT_EQ(latency.longest(), 20ms);
    EXPECT_NEAR(static_cast<double>(latency.percentile(0.3).count()), 10'000, 400);
}

TEST(Unacked, ARepetitionKeepsItsFirstTime) {
    Unacked unacked;
    LatencyHistogram latency;
    unacked.made(3, at(0ms));
    unacked.made(2, at(50ms));
    unacked.made(3, at(60ms));
    EXPECT_EQ(unacked.acknowledge(3, at(100ms), latency), 3U);
    EXPECT_EQ(latency.percentile(0), latency.longest());
    EXPECT_EQ(latency.longest(), 100ms);
}

TEST(Unacked, AnAckOfMoreThanWasMadeCoversWhatWas) {
    Unacked unacked;
    LatencyHistogram latency;
    EXPECT_EQ(unacked.acknowledge(9, at(0ms), latency), 0U);
    unacked.made(3, at(0ms));
    EXPECT_EQ(unacked.acknowledge(9, at(1ms), latency), 3U);
    EXPECT_EQ(unacked.acked(), 3U);
}

TEST(Unacked, ALongQueueOfBatchesIsWorkedOffInOrder) {
    Unacked unacked;
    LatencyHistogram latency;
    std::uint64_t covered = 0;
    for (std::uint64_t seq = 1; seq <= 5'000; ++seq) {
        unacked.made(seq, at(0ms));
        if (seq % 3 == 0) covered += unacked.acknowledge(seq / 2, at(1ms), latency);
    }
    covered += unacked.acknowledge(5'000, at(1ms), latency);
    EXPECT_EQ(covered, 5'000U);
    EXPECT_EQ(latency.count(), 5'000U);
}

}  // namespace

}  // namespace holdfast
