#include "conn/liveness.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

ListenerPolicy policy_for(std::chrono::milliseconds detect_within) {
    return {.plan = plan_liveness(detect_within).value(),
            .read_idle = 300s,
            .write_stall = std::nullopt,
            .item_deadline = 30s,
            .downlink_queue = 65'536,
            .plan_since = {},
            .deadlines_since = {}};
}

TEST(Deadlines, AreNeverEarlyAndAtMostATickLate) {
    const ListenerPolicy policy = policy_for(30s);
    EXPECT_EQ(judge_deadlines({.since_item = 300s, .item_age = {}}, policy), std::nullopt);
    EXPECT_EQ(judge_deadlines({.since_item = 300s + 100ms, .item_age = {}}, policy), CloseReason::read_idle);
    EXPECT_EQ(judge_deadlines({.since_item = 30s, .item_age = 30s}, policy), std::nullopt);
    EXPECT_EQ(judge_deadlines({.since_item = 31s, .item_age = 30s + 100ms}, policy), CloseReason::item_deadline);
}

TEST(Deadlines, ReadIdleCanBeOff) {
    ListenerPolicy policy = policy_for(30s);
    policy.read_idle.reset();
    EXPECT_EQ(judge_deadlines({.since_item = std::chrono::hours(100'000), .item_age = {}}, policy), std::nullopt);
}

TEST(Deadlines, BytesThatKeepComingGetTwiceTheTime) {
    const ListenerPolicy policy = policy_for(30s);
    EXPECT_EQ(judge_deadlines({.since_item = 600s, .item_age = 60s, .times = 2}, policy), std::nullopt);
    EXPECT_EQ(judge_deadlines({.since_item = 601s, .item_age = {}, .times = 2}, policy), CloseReason::read_idle);
    EXPECT_EQ(judge_deadlines({.since_item = 61s, .item_age = 61s, .times = 2}, policy), CloseReason::item_deadline);
}

TEST(AskingRound, TwoOfThemEndBeforeTheKernelAsksAndOneOutlastsASecond) {
    for (std::chrono::milliseconds bound = min_detect_within; bound <= max_detect_within; bound += 1s) {
        const LivenessPlan plan = plan_liveness(bound).value();
        const auto round = asking_round(plan);
        ASSERT_EQ(round.has_value(), plan.idle >= 3s) << bound.count();
        if (!round) continue;
        EXPECT_LT(2 * *round, plan.idle) << bound.count();
        EXPECT_GT(*round, 1s) << bound.count();
    }
}

TcpFacts heard(std::chrono::milliseconds ago) {
    TcpFacts facts;
    facts.evidence.last_ack = facts.evidence.last_heard = ago;
    facts.evidence.peer_window = 65'535;
    return facts;
}

TEST(Watch, EndsWhenAllIsAcknowledged) {
    EXPECT_EQ(judge_watch({.facts = heard(40s)}, policy_for(30s)), WatchVerdict::well);
    EXPECT_EQ(judge_watch({.facts = heard(1s), .bytes_waiting = true}, policy_for(30s)), WatchVerdict::waiting);
}

TEST(Watch, SilenceWithDataInFlightIsDeathAtTheLimitAndNotBefore) {
    const ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(policy.plan.silence_limit - 1ms);
    facts.unacked_segments = 1;
    facts.evidence.unacked_bytes = 18;
    EXPECT_EQ(judge_watch({.facts = facts}, policy), WatchVerdict::waiting);
    facts.evidence.last_heard += 1ms;
    EXPECT_EQ(judge_watch({.facts = facts}, policy), WatchVerdict::silent);
}

TEST(Watch, UnansweredProbesAndSilenceAreDeath) {
    const ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(policy.plan.silence_limit);
    facts.evidence.probes = 1;
    EXPECT_EQ(judge_watch({.facts = facts}, policy), WatchVerdict::silent);
}

TEST(Watch, ANewPlanDoesNotJudgeTheTimeBeforeIt) {
    const ListenerPolicy policy = policy_for(5s);
    TcpFacts facts = heard(9s);  // ordinary with detect_within = 30s
    facts.unacked_segments = 1;
    EXPECT_EQ(judge_watch({.facts = facts, .plan_age = 1s}, policy), WatchVerdict::waiting);
    EXPECT_EQ(judge_watch({.facts = facts, .plan_age = policy.plan.silence_limit}, policy), WatchVerdict::silent);
}

TEST(Watch, SilenceWithoutAQuestionIsNoDeath) {
    EXPECT_EQ(judge_watch({.facts = heard(1h)}, policy_for(10s)), WatchVerdict::well);
}

TEST(Watch, AClosedWindowHasItsOwnLimit) {
    ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(9'900ms);
    facts.evidence.peer_window = 0;
    facts.evidence.unsent_bytes = facts.evidence.unacked_bytes = 4'096;
    EXPECT_EQ(judge_watch({.facts = facts, .stalled = 1s}, policy), WatchVerdict::stalled);
    EXPECT_EQ(judge_watch({.facts = facts, .stalled = 10s}, policy), WatchVerdict::stalled_out);
    policy.write_stall = 60s;
    EXPECT_EQ(judge_watch({.facts = facts, .stalled = 59s}, policy), WatchVerdict::stalled);
    EXPECT_EQ(judge_watch({.facts = facts, .stalled = 61s}, policy), WatchVerdict::stalled_out);
}

TEST(WasAsked, OnlyWhatThePeersKernelWouldAnswer) {
    EXPECT_TRUE(was_asked({.probes = 3}));
    EXPECT_FALSE(was_asked({})) << "idle, and no probe has gone out";
    EXPECT_FALSE(was_asked({.probes = 3, .unacked_bytes = 80, .peer_window = 0})) << "a window probe";
    EXPECT_FALSE(was_asked({.retransmits = 1, .unacked_bytes = 80, .peer_window = 64'000}));
    EXPECT_TRUE(was_asked({.retransmits = 2, .unacked_bytes = 80, .peer_window = 64'000}));
    EXPECT_FALSE(was_asked({.retransmits = 2, .unacked_bytes = 80, .peer_window = 0}));
}

TEST(LongestSilence, IsTheBoundUnlessAClosedWindowMayHideIt) {
    ListenerPolicy policy = policy_for(30s);
    EXPECT_EQ(policy.longest_silence(), 30'500ms);
    policy.write_stall = 20s;
    EXPECT_EQ(policy.longest_silence(), 30'500ms);
    policy.write_stall = 60s;
    EXPECT_EQ(policy.longest_silence(), 90s);
}

}  // namespace
}  // namespace holdfast
