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
    EXPECT_EQ(classify_deadlines({.since_item = 300s, .item_age = {}}, policy), std::nullopt);
    EXPECT_EQ(classify_deadlines({.since_item = 300s + 100ms, .item_age = {}}, policy), CloseReason::read_idle);
    EXPECT_EQ(classify_deadlines({.since_item = 30s, .item_age = 30s}, policy), std::nullopt);
    EXPECT_EQ(classify_deadlines({.since_item = 31s, .item_age = 30s + 100ms}, policy), CloseReason::item_deadline);
}

TEST(Deadlines, ReadIdleCanBeOff) {
    ListenerPolicy policy = policy_for(30s);
    policy.read_idle.reset();
    EXPECT_EQ(classify_deadlines({.since_item = std::chrono::hours(100'000), .item_age = {}}, policy), std::nullopt);
}

TEST(Deadlines, BytesThatKeepComingGetTwiceTheTime) {
    const ListenerPolicy policy = policy_for(30s);
    EXPECT_EQ(classify_deadlines({.since_item = 600s, .item_age = 60s, .times = 2}, policy), std::nullopt);
    EXPECT_EQ(classify_deadlines({.since_item = 601s, .item_age = {}, .times = 2}, policy), CloseReason::read_idle);
    EXPECT_EQ(classify_deadlines({.since_item = 61s, .item_age = 61s, .times = 2}, policy), CloseReason::item_deadline);
}

TEST(ProbeRound, TwoRoundsEndBeforeTheKernelProbesAndOneOutlastsASecond) {
    for (std::chrono::milliseconds bound = min_detect_within; bound <= max_detect_within; bound += 1s) {
        const LivenessPlan plan = plan_liveness(bound).value();
        const auto round = probe_round(plan);
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

/// Returns the facts of a message in flight.
WatchedFacts in_flight(std::chrono::milliseconds heard_ago, std::chrono::milliseconds unprogressed) {
    TcpFacts facts = heard(heard_ago);
    facts.unacked_segments = 1;
    facts.evidence.unacked_bytes = 18;
    return {.facts = facts, .unprogressed = unprogressed};
}

TEST(Watch, EndsWhenAllIsAcknowledged) {
    EXPECT_EQ(classify_watch({.facts = heard(40s)}, policy_for(30s)), WatchVerdict::well);
    EXPECT_EQ(classify_watch({.facts = heard(1s), .bytes_waiting = true}, policy_for(30s)), WatchVerdict::stalled);
    EXPECT_EQ(classify_watch(in_flight(1s, 0s), policy_for(30s)), WatchVerdict::waiting);
}

TEST(Watch, SilenceWithDataInFlightIsDeathAtTheLimitAndNotBefore) {
    const ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(policy.plan.silence_limit - 1ms);
    facts.unacked_segments = 1;
    facts.evidence.unacked_bytes = 18;
    EXPECT_EQ(classify_watch({.facts = facts}, policy), WatchVerdict::waiting);
    facts.evidence.last_heard += 1ms;
    EXPECT_EQ(classify_watch({.facts = facts}, policy), WatchVerdict::silent);
}

TEST(Watch, UnansweredProbesAndSilenceAreDeath) {
    const ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(policy.plan.silence_limit);
    facts.evidence.probes = 1;
    EXPECT_EQ(classify_watch({.facts = facts}, policy), WatchVerdict::silent);
}

TEST(Watch, ANewPlanDoesNotJudgeTheTimeBeforeIt) {
    const ListenerPolicy policy = policy_for(5s);
    TcpFacts facts = heard(9s);  // normal with detect_within = 30s
    facts.unacked_segments = 1;
    EXPECT_EQ(classify_watch({.facts = facts, .plan_age = 1s}, policy), WatchVerdict::waiting);
    EXPECT_EQ(classify_watch({.facts = facts, .plan_age = policy.plan.silence_limit}, policy), WatchVerdict::silent);
}

TEST(Watch, SilenceWithoutAQuestionIsNoDeath) {
    EXPECT_EQ(classify_watch({.facts = heard(1h)}, policy_for(10s)), WatchVerdict::well);
}

/// Returns the facts of a peer that answers while bytes wait for its window.
WatchedFacts behind_window(std::uint32_t window, std::chrono::milliseconds unprogressed) {
    TcpFacts facts = heard(200ms);
    facts.evidence.peer_window = window;
    facts.evidence.unsent_bytes = facts.evidence.unacked_bytes = 4'096;
    return {.facts = facts, .unprogressed = unprogressed};
}

TEST(Watch, AClosedWindowHasItsOwnLimit) {
    ListenerPolicy policy = policy_for(10s);
    const auto limit = policy.plan.silence_limit - policy.plan.sweep_period;
    EXPECT_EQ(stall_limit(policy), limit);
    EXPECT_EQ(classify_watch(behind_window(0, limit), policy), WatchVerdict::stalled);
    EXPECT_EQ(classify_watch(behind_window(0, limit + 1ms), policy), WatchVerdict::stalled_out);
    policy.write_stall = 60s;
    EXPECT_EQ(classify_watch(behind_window(0, 60s), policy), WatchVerdict::stalled);
    EXPECT_EQ(classify_watch(behind_window(0, 60s + 1ms), policy), WatchVerdict::stalled_out);
}

// Linux frees a piece of the receive buffer only after all of it was read, so progress comes in steps.
TEST(Watch, AReaderThatMadeStepsGetsTwiceItsLongest) {
    ListenerPolicy policy = policy_for(10s);
    WatchedFacts view = behind_window(0, 20s);
    view.longest_step = 4s;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled_out) << "the plan allows more than 8 s";
    view.longest_step = 10s;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled);
    EXPECT_EQ(verdict_due_in(view, policy), 100ms);
    view.unprogressed += 1ms;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled_out);
    view.longest_step = 1h;
    EXPECT_EQ(stall_limit(policy, view.longest_step), max_stall_limit);
    policy.write_stall = 15s;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled_out) << "the operator has named the limit";
}

TEST(Watch, AWindowWithoutRoomForASegmentIsJudgedAsAClosedOne) {
    const ListenerPolicy policy = policy_for(10s);
    for (const std::uint32_t window : {0U, 1U, 500U, 1'447U}) {
        EXPECT_EQ(classify_watch(behind_window(window, 5s), policy), WatchVerdict::stalled) << window;
        EXPECT_EQ(classify_watch(behind_window(window, 10s), policy), WatchVerdict::stalled_out) << window;
    }
}

TEST(Watch, BytesThatWaitOnlyInTheOwnQueueAreOutstanding) {
    const ListenerPolicy policy = policy_for(10s);
    TcpFacts facts = heard(1s);
    facts.evidence.peer_window = 0;
    EXPECT_EQ(classify_watch({.facts = facts, .bytes_waiting = true, .unprogressed = 5s}, policy),
              WatchVerdict::stalled);
    EXPECT_EQ(classify_watch({.facts = facts, .bytes_waiting = true, .unprogressed = 10s}, policy),
              WatchVerdict::stalled_out);
}

// The window of a slow reader is closed at each check for hours; only its latest acknowledgement counts.
TEST(Watch, ProgressKeepsASlowReader) {
    for (const auto bound : {3'000ms, 10'000ms, 30'000ms, 3'600'000ms}) {
        const ListenerPolicy policy = policy_for(bound);
        EXPECT_EQ(classify_watch(behind_window(0, 0ms), policy), WatchVerdict::stalled);
        EXPECT_EQ(classify_watch(behind_window(0, bound / 2), policy), WatchVerdict::stalled);
    }
}

TEST(Watch, APeerThatDiedBehindAClosedWindowIsSilentAfterSomeWindowProbesInVain) {
    ListenerPolicy policy = policy_for(10s);
    policy.write_stall = 10min;
    WatchedFacts view = behind_window(0, 20s);
    view.facts.evidence.last_heard = policy.plan.silence_limit;
    for (const unsigned probes : {0U, 1U, 2U}) {
        view.facts.evidence.probes = probes;
        EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled) << probes;
    }
    view.facts.evidence.probes = 3;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::silent);
    view.facts.evidence.last_heard -= 1ms;
    EXPECT_EQ(classify_watch(view, policy), WatchVerdict::stalled);
}

TEST(Watch, AnActivePeerThatAcknowledgesNothingIsUnreachableAtTheLimit) {
    const ListenerPolicy policy = policy_for(10s);
    const auto limit = policy.plan.silence_limit;
    EXPECT_EQ(classify_watch(in_flight(100ms, limit - 1ms), policy), WatchVerdict::waiting);
    EXPECT_EQ(classify_watch(in_flight(100ms, limit), policy), WatchVerdict::silent);
}

TEST(Watch, AVerdictIsDueAtTheEarliestLimit) {
    ListenerPolicy policy = policy_for(30s);
    const auto limit = policy.plan.silence_limit;
    EXPECT_EQ(verdict_due_in(in_flight(20s, 10s), policy), limit - 20s);
    EXPECT_EQ(verdict_due_in(in_flight(1s, 10s), policy), limit - 10s + 100ms);
    EXPECT_EQ(verdict_due_in(in_flight(40s, 40s), policy), 1ms) << "never now: a timer would spin";
    EXPECT_EQ(verdict_due_in(behind_window(0, 10s), policy), limit - 1s - 10s + 100ms);
    policy.write_stall = 5min;
    EXPECT_EQ(verdict_due_in(behind_window(0, 10s), policy), 290s + 100ms);
    TcpFacts probed = heard(12s);
    probed.evidence.probes = 2;
    EXPECT_EQ(verdict_due_in({.facts = probed}, policy), limit - 12s);
}

TEST(Relief, TheUserTimeoutIsLiftedForWhatLastsAndComesBackWhenAllIsAcknowledged) {
    const LivenessPlan plan = plan_liveness(30s).value();
    EXPECT_EQ(relief_for(in_flight(1s, 1s), {}, plan), KernelRelief{}) << "a round trip is no reason";
    EXPECT_TRUE(relief_for(in_flight(1s, 4s), {}, plan).user_timeout);
    WatchedFacts again = in_flight(1s, 0s);
    again.facts.evidence.retransmits = 1;
    EXPECT_TRUE(relief_for(again, {}, plan).user_timeout);
    EXPECT_TRUE(relief_for(behind_window(0, 0s), {}, plan).user_timeout);
    EXPECT_TRUE(relief_for(behind_window(500, 0s), {}, plan).user_timeout);
    EXPECT_TRUE(relief_for({.facts = heard(1s), .bytes_waiting = true}, {}, plan).user_timeout);
    EXPECT_TRUE(relief_for(in_flight(1s, 0s), {.user_timeout = true}, plan).user_timeout)
        << "its clock has not started anew as long as anything is outstanding";
    EXPECT_EQ(relief_for({.facts = heard(1s)}, {.user_timeout = true, .rto_cap = true}, plan), KernelRelief{});
}

TEST(Relief, TheCapIsLiftedForDataInFlightBehindAClosedWindowAlone) {
    const LivenessPlan plan = plan_liveness(30s).value();
    WatchedFacts shrunk = behind_window(0, 0s);
    EXPECT_FALSE(relief_for(shrunk, {}, plan).rto_cap) << "window probes are to stay frequent";
    shrunk.facts.unacked_segments = 2;
    EXPECT_TRUE(relief_for(shrunk, {}, plan).rto_cap);
    shrunk.facts.evidence.peer_window = 4'096;
    EXPECT_FALSE(relief_for(shrunk, {.user_timeout = true, .rto_cap = true}, plan).rto_cap);
}

TEST(WasProbed, OnlyWhatThePeersKernelWouldAnswer) {
    EXPECT_TRUE(was_probed({.probes = 3}));
    EXPECT_FALSE(was_probed({})) << "idle, and no probe has gone out";
    EXPECT_FALSE(was_probed({.probes = 3, .unacked_bytes = 80, .peer_window = 0})) << "a window probe";
    EXPECT_FALSE(was_probed({.retransmits = 1, .unacked_bytes = 80, .peer_window = 64'000}));
    EXPECT_TRUE(was_probed({.retransmits = 2, .unacked_bytes = 80, .peer_window = 64'000}));
    EXPECT_FALSE(was_probed({.retransmits = 2, .unacked_bytes = 80, .peer_window = 0}));
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
