#include "forward/stream_memo.h"

#include <gtest/gtest.h>

#include "forward/stream_loss.h"

namespace holdfast {
namespace {

using Mark = StreamMemo::Mark;

constexpr std::int64_t now_s = 1'800'000'000;
const WallTime now{std::chrono::seconds(now_s)};

StreamMemo memo_of(std::initializer_list<Mark> marks) {
    StreamMemo memo;
    memo.is_of("events", 77, 0);
    for (const Mark& mark : marks) memo.note(mark);
    return memo;
}

NatsMessage message_of(Position position, std::uint64_t epoch = 0xabc) {
    NatsMessage message;
    message.first = message.last = position;
    message.epoch = epoch;
    message.id = message_id("spool", message);
    return message;
}

TEST(StreamMemo, SurvivesItsText) {
    StreamMemo memo = memo_of({{10, 100, 1'000}, {20, 250, 1'001}});
    memo.is_of("events", 77, 5);
    memo.send_again(90, 110, 0xf00d);
    memo.leave_epoch(200, 0xbeef);
    const StreamMemo read = StreamMemo::parse(memo.text());
    EXPECT_EQ(read.text(), memo.text());
    EXPECT_EQ(read.stream(), "events");
    EXPECT_EQ(read.created_ns(), 77);
    EXPECT_EQ(read.deleted(), 5U);
    EXPECT_EQ(read.marks(), memo.marks());
    EXPECT_TRUE(read.is_own_epoch(0xbeef));
    for (const char* text : {"", "{}", "[]", "null", R"({"stream":"x"})",
                             R"({"stream":"x","created":1,"deleted":0,)"
                             R"("marks":[[1,2]],"renamed":[]})"}) {
        EXPECT_TRUE(StreamMemo::parse(text).empty()) << text;
        EXPECT_EQ(StreamMemo::parse(text).text(), "") << text;
    }
}

TEST(StreamMemo, KeepsMarksAsDenseAsTheyAreNear) {
    StreamMemo memo = memo_of({});
    for (std::uint64_t n = 1; n <= 1'000'000; n += 7) memo.note({n * 2, n, now_s});
    memo.note({5, 2'000'000, now_s});  // an older sequence
    memo.note({9'000'000, 5, now_s});  // an older position
    EXPECT_EQ(memo.marks().front().position, 1U);
    EXPECT_EQ(memo.marks().back().position, 1 + 7 * (999'999 / 7));
    EXPECT_LE(memo.marks().size(), 64U);
    EXPECT_GE(memo.marks().size(), 16U);
    EXPECT_LE(memo.text().size(), 4'096U) << "a memo's room";
    // After a loss of `lost` positions, the repeated events are bounded by a multiple of the loss.
    for (const Position lost : {10U, 1'000U, 100'000U}) {
        Position before = 0;
        for (const Mark& mark : memo.marks()) {
            if (mark.position <= memo.marks().back().position - lost) before = mark.position;
        }
        EXPECT_LE(memo.marks().back().position - before, 4 * lost + 28) << lost;
    }
}

TEST(StreamMemo, GivesIdsThatTheStreamDoesNotKnow) {
    StreamMemo memo = memo_of({{10, 100, now_s}});
    memo.send_again(90, 110, 0xf00d);
    NatsMessage message = message_of(95);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-0000000000000abc-95@000000000000f00d");
    EXPECT_EQ(message.epoch, 0xabcU) << "it is the same event";
    message = message_of(111);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-0000000000000abc-111");
    memo.leave_epoch(105, 0xbeef);
    message = message_of(500);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-000000000000beef-500");
    EXPECT_EQ(message.epoch, 0xbeefU);
    message = message_of(110);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-000000000000beef-110@000000000000f00d");
    memo.restarted(300);
    memo.forget_up_to(110);
    message = message_of(301, 0xdef);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-0000000000000def-301") << "of another process, in an epoch of its own";
    message = message_of(110);
    memo.rename("spool", message);
    EXPECT_EQ(message.id, "spool-000000000000beef-110");
    EXPECT_NE(draw_salt(), draw_salt());
}

/// A stream whose content each test sets.
class Loss : public testing::Test {
protected:
    Loss() {
        facts.name = "events";
        facts.created_ns = 77;
        facts.first = 1;
        facts.last = 30;
        facts.messages = 30;
    }
    [[nodiscard]] std::optional<StreamLoss> find() {
        return find_loss(
            memo, facts,
            [this](const Mark& mark) {
                if (unreadable) return Stored::unknown;
                return mark.sequence == gone ? Stored::no : Stored::yes;
            },
            {now, now + powered_off}, suspects);
    }
    void expect_loss(Position behind, const char* words) {
        const auto loss = find();
        ASSERT_TRUE(loss) << words;
        EXPECT_EQ(loss->behind, behind) << words;
        EXPECT_NE(loss->what.find(words), std::string::npos) << loss->what;
    }

    StreamMemo memo = memo_of({{10, 100, now_s - 30}, {20, 200, now_s - 20}, {30, 300, now_s - 10}});
    StreamFacts facts;
    std::uint64_t gone = 0;
    bool unreadable = false;
    bool suspects = false;
    std::chrono::hours powered_off{0};
};

TEST_F(Loss, AStreamThatAnotherGatewayHasMadeAgainIsLookedAtWhole) {
    gone = 20;
    EXPECT_FALSE(find()) << "there is no reason to read it";
    facts.created_ns = 78;  // created by another gateway, with this gateway's newest event
    expect_loss(100, "does not have the acknowledged message of sequence 20");
    facts.created_ns = 77;
    suspects = true;
    expect_loss(100, "does not have the acknowledged message of sequence 20");
}

TEST_F(Loss, WhatExpiredWhileTheMachineWasOffIsNoLoss) {
    memo = StreamMemo();
    memo.is_of("events", 77, 0);
    memo.note({10, 100, now_s - 30, now_s - 30});
    memo.note({20, 200, now_s - 20, now_s - 20});
    facts.max_age = std::chrono::hours(24);
    facts.first = 30;
    EXPECT_TRUE(find());
    powered_off = std::chrono::hours(48);
    EXPECT_FALSE(find());
}

TEST_F(Loss, AStreamThatHasItAllHasLostNothing) {
    EXPECT_FALSE(find());
    facts.last = 5'000;
    EXPECT_FALSE(find());
    unreadable = true;
    EXPECT_FALSE(find());
    memo = StreamMemo();
    EXPECT_FALSE(find()) << "nothing is known of it";
    memo.is_of("events", 77, 0);
    EXPECT_FALSE(find()) << "nothing has been acknowledged";
}

TEST_F(Loss, AnotherStreamIsNotComparedWithIt) {
    facts.name = "other";
    facts.last = 0;
    EXPECT_FALSE(find());
}

TEST_F(Loss, AStreamThatWasMadeAgain) {
    facts = {};
    facts.name = "events";
    facts.created_ns = 78;
    expect_loss(0, "was deleted and recreated");
    facts.first = 1;
    facts.last = 50;  // others have written to it
    gone = 30;
    expect_loss(200, "was deleted and recreated");
    gone = 0;
    unreadable = true;
    expect_loss(0, "was deleted and recreated");
    unreadable = false;
    EXPECT_FALSE(find()) << "a whole copy";
    memo = memo_of({});
    expect_loss(0, "was deleted and recreated");
}

TEST_F(Loss, AStreamThatWentBack) {
    facts.last = 25;
    expect_loss(200, "has gone back to sequence 25");
    facts.last = 3;
    expect_loss(0, "has gone back to sequence 3");
    facts.last = 60;  // another gateway has written to it
    gone = 30;
    expect_loss(200, "does not have the acknowledged message of sequence 30");
}

TEST_F(Loss, AStreamThatWasPurged) {
    facts.first = 31;
    facts.messages = 0;
    expect_loss(0, "was emptied up to sequence 30");
    facts.first = 15;  // partly purged
    facts.messages = 16;
    expect_loss(0, "was emptied up to sequence 14");
    facts.first = 1;
    facts.deleted = 4;  // messages of one subject
    gone = 20;
    expect_loss(100, "does not have the acknowledged message of sequence 20");
    memo.is_of("events", 77, 4);
    EXPECT_FALSE(find()) << "it has been dealt with";
}

TEST_F(Loss, WhatTheLimitsRemoveIsNone) {
    facts.first = 31;
    facts.messages = 0;
    facts.max_age = std::chrono::seconds(15);
    EXPECT_FALSE(find());
    facts.max_age = std::chrono::hours(1);
    EXPECT_TRUE(find());
    facts.retention = StreamRetention::workqueue;
    EXPECT_FALSE(find()) << "consumers remove what they have had";
    facts.retention = StreamRetention::limits;
    facts.messages = facts.max_msgs = 1'000;
    EXPECT_FALSE(find());
    facts.messages = 10;
    EXPECT_TRUE(find());
    facts.max_msgs = 0;
    facts.max_bytes = 1'000;
    facts.bytes = 990;
    EXPECT_FALSE(find());
    facts.last = 25;
    expect_loss(200, "gone back");
}

}  // namespace
}  // namespace holdfast
