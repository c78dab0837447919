#include "daemon/spooled_closes.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/event_writer.h"
#include "sink/lost_connections.h"
#include "testing/fake_spool.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const EventTime noon{1'795'334'400'123ms};

ClosedEvent made_close(std::uint64_t number) {
    ClosedEvent event;
    event.conn = {0x7f2c91a0, number};
    event.peer = parse_endpoint("10.2.0.9:51514").value();
    event.reason = CloseReason::keepalive_expired;
    event.error = ETIMEDOUT;
    event.evidence = {.probes = 5, .retransmits = 1, .last_ack = 20'012ms, .unacked_bytes = 3, .peer_window = 64'512};
    event.items = 3;
    event.bytes_in = 49;
    event.bytes_out = 7;
    event.duration = 61'400ms;
    event.at = noon;
    event.listener = "devices";
    event.detail = "5 probes \"without\" an answer";
    event.device = {.id = "shop \n1", .session = "boot", .authenticated = true};
    return event;
}

/// Returns the line of the event without its newline.
std::string line_of(const ClosedEvent& event) {
    std::string line;
    EventWriter writer;
    writer.append_closed(line, event);
    line.pop_back();
    return line;
}

std::vector<std::uint64_t> numbers(const std::vector<ClosedLife>& lives) {
    std::vector<std::uint64_t> found;
    for (const ClosedLife& life : lives) found.push_back(life.conn.number);
    return found;
}

TEST(SpooledCloses, AClosedEventIsReadBack) {
    const ClosedEvent event = made_close(1);
    const auto life = parse_closed_line(line_of(event));
    ASSERT_TRUE(life);
    EXPECT_EQ(life->conn, event.conn);
    EXPECT_EQ(life->peer, event.peer);
    EXPECT_EQ(life->reason, event.reason);
    EXPECT_EQ(life->error, ETIMEDOUT);
    EXPECT_EQ(life->evidence, event.evidence);
    EXPECT_EQ(life->items, 3U);
    EXPECT_EQ(life->bytes_in, 49U);
    EXPECT_EQ(life->bytes_out, 7U);
    EXPECT_EQ(life->duration, event.duration);
    EXPECT_EQ(life->at, noon);
    EXPECT_EQ(life->detail, event.detail);
    EXPECT_EQ(life->id, "shop \n1");
    EXPECT_TRUE(life->authenticated);
    EXPECT_TRUE(life->observed);
}

TEST(SpooledCloses, ACloseThatNoProcessObservedIsReadBack) {
    LostConnection lost{.conn = "7f2c91a0-2"};
    lost.connected =
        R"({"event":"connected","conn":"7f2c91a0-2","listener":"devices","peer":"10.2.0.9:1","at":"2026-11-22T07:59:00.123Z"})";
    std::string line = lost_closed_line(lost, noon);
    line.pop_back();
    const auto life = parse_closed_line(line);
    ASSERT_TRUE(life);
    EXPECT_EQ(life->reason, CloseReason::gateway_lost);
    EXPECT_FALSE(life->observed);
    EXPECT_EQ(life->duration, 60s);
}

TEST(SpooledCloses, OtherLinesAreNone) {
    const std::string line = line_of(made_close(1));
    EXPECT_FALSE(parse_closed_line(""));
    EXPECT_FALSE(parse_closed_line(R"({"event":"closed","conn":"7f2c91a0-1"})"));
    EXPECT_FALSE(parse_closed_line(R"({"event":"item","conn":"7f2c91a0-1","item":{"event":"closed"}})"));
    for (std::size_t size = 0; size < line.size(); ++size) EXPECT_FALSE(parse_closed_line(line.substr(0, size)));
    std::string newer = line;
    newer.replace(newer.find("keepalive_expired"), 17, "reason_of_2030_xx");
    EXPECT_FALSE(parse_closed_line(newer));
}

class SpooledClosesAfter : public testing::Test {
protected:
    SpooledClosesAfter() {
        for (std::uint64_t n = 1; n <= 20; ++n) {
            spool_.add(R"({"event":"item","conn":"7f2c91a0-1","n":1})");
            spool_.add(line_of(made_close(n)));
        }
    }

    FakeSpool spool_;
};

TEST_F(SpooledClosesAfter, ThePositionAreReturnedOldestFirst) {
    EXPECT_THAT(numbers(closes_after(spool_, 33)), ElementsAre(17U, 18U, 19U, 20U));
    EXPECT_THAT(numbers(closes_after(spool_, 34, {.step = 1})), ElementsAre(18U, 19U, 20U));
    EXPECT_EQ(closes_after(spool_, 33).front().listener, "devices");
    EXPECT_THAT(closes_after(spool_, 40), IsEmpty());
    EXPECT_THAT(closes_after(spool_, 400), IsEmpty());
    EXPECT_THAT(closes_after(spool_, 0, {.step = 7}), SizeIs(20));
}

TEST_F(SpooledClosesAfter, TheLimitsLeaveOutTheOldest) {
    EXPECT_THAT(numbers(closes_after(spool_, 0, {.max = 2, .step = 3})), ElementsAre(19U, 20U));
    EXPECT_THAT(closes_after(spool_, 0, {.max_time = 0ms}), IsEmpty());
}

TEST_F(SpooledClosesAfter, WhatCannotBeReadIsLeftOut) {
    spool_.lose(37, 38);
    EXPECT_THAT(numbers(closes_after(spool_, 33)), ElementsAre(17U, 18U, 20U));
    spool_.forget_up_to(36);
    EXPECT_THAT(numbers(closes_after(spool_, 0)), ElementsAre(20U));
    spool_.fail("the disk");
    EXPECT_THAT(closes_after(spool_, 0), IsEmpty());
}

}  // namespace
}  // namespace holdfast
