#include "conn/admission.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

IpAddress ip(const char* text) { return parse_ip_address(text).value(); }

TEST(SourceBytes, SumsByAddressAndBySixtyFour) {
    SourceBytes sources;
    sources.change(ip("10.0.0.1"), 0, 100);
    sources.change(ip("10.0.0.1"), 0, 50);
    sources.change(ip("2001:db8:1:1::1"), 0, 10);
    sources.change(ip("2001:db8:1:1::2"), 0, 20);
    EXPECT_EQ(sources.of(ip("10.0.0.1")), 150U);
    EXPECT_EQ(sources.of(ip("10.0.0.2")), 0U);
    EXPECT_EQ(sources.of(ip("2001:db8:1:1::3")), 30U);
    EXPECT_EQ(sources.total(), 180U);
    EXPECT_EQ(sources.average(), 90U);
}

TEST(SourceBytes, WhatIsGivenBackIsGone) {
    SourceBytes sources;
    EXPECT_EQ(sources.average(), 0U);
    sources.change(ip("10.0.0.1"), 0, 100);
    sources.change(ip("10.0.0.2"), 0, 50);
    sources.change(ip("10.0.0.1"), 100, 20);
    EXPECT_EQ(sources.of(ip("10.0.0.1")), 20U);
    sources.change(ip("10.0.0.1"), 20, 0);
    EXPECT_EQ(sources.average(), 50U);
    sources.change(ip("10.0.0.3"), 70, 0);  // never counted
    EXPECT_EQ(sources.total(), 50U);
}

TEST(Admission, CountsByPeerAndByPrefix) {
    Admission admission(100);
    admission.set({.max_connections_per_peer = 2, .max_connections_per_prefix = 3}, 100);
    AdmissionGuard first;
    AdmissionGuard guard;
    EXPECT_EQ(admission.take(ip("10.0.0.1"), first), std::nullopt);
    EXPECT_EQ(admission.take(ip("10.0.0.1"), guard), std::nullopt);
    EXPECT_EQ(admission.take(ip("10.0.0.1"), guard), RefusedBy::max_connections_per_peer);
    EXPECT_EQ(admission.take(ip("10.0.0.2"), guard), std::nullopt);
    EXPECT_EQ(admission.take(ip("10.0.0.3"), guard), RefusedBy::max_connections_per_prefix);
    EXPECT_EQ(admission.take(ip("10.0.1.3"), guard), std::nullopt);
    admission.give_back(ip("10.0.0.1"), first);
    EXPECT_EQ(admission.take(ip("10.0.0.3"), guard), std::nullopt);
}

TEST(Admission, AnIpv6SubscriberIsASixtyFour) {
    Admission admission(100);
    admission.set({.max_connections_per_peer = 1}, 100);
    AdmissionGuard guard;
    EXPECT_EQ(admission.take(ip("2001:db8:1:1::1"), guard), std::nullopt);
    EXPECT_EQ(admission.take(ip("2001:db8:1:1:ffff::2"), guard), RefusedBy::max_connections_per_peer);
    EXPECT_EQ(admission.take(ip("2001:db8:1:2::1"), guard), std::nullopt);
}

TEST(Admission, ARefusedConnectionTakesNothing) {
    Admission admission(2);
    admission.set({.max_connections_per_peer = 1}, 2);
    AdmissionGuard guard;
    EXPECT_EQ(admission.take(ip("10.0.0.1"), guard), std::nullopt);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(admission.take(ip("10.0.0.1"), guard), RefusedBy::max_connections_per_peer);
    EXPECT_EQ(admission.take(ip("10.0.0.2"), guard), std::nullopt);
    EXPECT_EQ(admission.take(ip("10.0.0.3"), guard), RefusedBy::max_connections);
}

TEST(RateLimiter, LetsSoManyInASecondAndATenthOfThatAtOnce) {
    RateLimiter bucket;
    bucket.set_rate(1000);
    SteadyTime now{std::chrono::hours(1)};
    std::int64_t taken = 0;
    for (const SteadyTime end = now + std::chrono::seconds(2); now < end;) {
        while (bucket.try_take(now)) ++taken;
        const auto reserved = bucket.reserve(now, 1'000);
        EXPECT_EQ(reserved.turns, 10);
        EXPECT_GT(reserved.when, now);
        taken += reserved.turns;
        now = reserved.when;
    }
    EXPECT_GE(taken, 2'000);
    EXPECT_LE(taken, 2'112);
    bucket.set_rate(0);
    EXPECT_TRUE(bucket.try_take(now));
    EXPECT_EQ(bucket.reserve(now, 7).when, now);
}

TEST(RateLimiter, ALowRateIsKeptToo) {
    RateLimiter bucket;
    bucket.set_rate(2);
    SteadyTime now{std::chrono::hours(1)};
    int taken = 0;
    for (int step = 0; step < 1'000; ++step, now += milliseconds(10)) {
        if (bucket.try_take(now)) ++taken;
    }
    EXPECT_GE(taken, 20);
    EXPECT_LE(taken, 22);
}

/// Two reactors with endless queues get equal shares, in whatever order their timers expire.
TEST(RateLimiter, ReservationsAlternate) {
    RateLimiter bucket;
    bucket.set_rate(40);
    SteadyTime now{std::chrono::hours(1)};
    const SteadyTime end = now + std::chrono::seconds(20);
    std::array<std::int64_t, 2> taken{};
    std::array<RateLimiter::Reservation, 2> reserved{bucket.reserve(now, 100), bucket.reserve(now, 100)};
    while (now < end) {
        const std::size_t next = reserved[0].when <= reserved[1].when ? 0 : 1;
        now = std::max(now, reserved[next].when);
        taken[next] += reserved[next].turns;
        reserved[next] = bucket.reserve(now, 100);
    }
    EXPECT_NEAR(static_cast<double>(taken[0]), 400, 8);
    EXPECT_NEAR(static_cast<double>(taken[1]), 400, 8);
}

TEST(RateLimiter, ATurnThatIsGivenBackIsTakenByAnother) {
    RateLimiter bucket;
    bucket.set_rate(10);
    SteadyTime now{std::chrono::hours(1)};
    while (bucket.try_take(now)) {
    }
    const auto reserved = bucket.reserve(now, 1);
    bucket.give_back(reserved.turns);
    EXPECT_EQ(bucket.reserve(now, 1).when, reserved.when);
}

TEST(BufferBudget, StagesFollowWhatIsUsed) {
    BufferBudget budget;
    budget.change(0, 1'000);
    EXPECT_EQ(budget.stage(), BufferStage::plenty);
    budget.set_limit(1'000);
    EXPECT_EQ(budget.stage(), BufferStage::shed);
    EXPECT_EQ(budget.over(), 200U);
    budget.change(1'000, 850);
    EXPECT_EQ(budget.stage(), BufferStage::refuse_sessions);
    budget.change(100, 0);
    EXPECT_EQ(budget.stage(), BufferStage::pause_largest);
    budget.change(100, 0);
    EXPECT_EQ(budget.stage(), BufferStage::plenty);
    EXPECT_EQ(budget.over(), 0U);
}

TEST(BufferBudget, ALimitThatTheSystemForcedLastsUntilAnotherIsSet) {
    BufferBudget budget;
    budget.change(0, std::size_t{4} << 20);
    EXPECT_FALSE(budget.is_forced());
    EXPECT_FALSE(budget.is_full());
    budget.exhausted();
    EXPECT_TRUE(budget.is_forced());
    EXPECT_TRUE(budget.is_full());
    budget.set_limit(std::size_t{8} << 20);
    EXPECT_FALSE(budget.is_forced());
    EXPECT_FALSE(budget.is_full());
}

TEST(Admission, MemoryThatCanBeGivenBackKeepsNoSessionOut) {
    Admission admission(100);
    admission.set({.buffer_budget = 1'000}, 100);
    EXPECT_TRUE(admission.has_room_for_session());
    admission.buffers().change(0, 950);
    admission.sources().change(ip("10.0.0.1"), 0, 900);
    EXPECT_TRUE(admission.has_room_for_session()) << "only 50 bytes are idle sessions'";
    admission.sources().change(ip("10.0.0.1"), 900, 100);
    EXPECT_FALSE(admission.has_room_for_session()) << "850 bytes are";
    AdmissionGuard guard;
    EXPECT_EQ(admission.take(ip("10.0.0.1"), guard), std::nullopt) << "a connection without TLS needs no memory";
    admission.set({.buffer_budget = 0}, 100);
    EXPECT_TRUE(admission.has_room_for_session());
}

}  // namespace

}  // namespace holdfast
