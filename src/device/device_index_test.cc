#include "device/device_index.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DuplicateLog, KeepsTheLatestAndNoMoreThanItsBound) {
    DuplicateLog book;
    SteadyTime time{std::chrono::hours(1)};
    const Endpoint one = parse_endpoint("10.0.0.1:1").value();
    const Endpoint other = parse_endpoint("10.0.0.2:2").value();
    for (int i = 0; i < 1'000; ++i) {
        time += std::chrono::milliseconds(1);
        book.note({.id = "d" + std::to_string(i), .holder = one, .claimant = other, .takeovers = 7}, time);
    }
    const auto kept = book.recent(time);
    ASSERT_EQ(kept.size(), DuplicateLog::max_entries);
    EXPECT_EQ(kept.front().id, "d999");
    EXPECT_EQ(kept.back().id, "d936");
    EXPECT_EQ(kept.front().holder, one);
    EXPECT_EQ(kept.front().claimant, other);
    book.note({.id = "d950", .holder = other, .claimant = one, .takeovers = 8}, time + std::chrono::seconds(1));
    EXPECT_EQ(book.recent(time).size(), DuplicateLog::max_entries);
    EXPECT_EQ(book.recent(time + std::chrono::seconds(1)).front().takeovers, 8U);
    EXPECT_TRUE(book.recent(time + std::chrono::minutes(2)).empty());
}

using namespace std::chrono_literals;

const SteadyTime now{std::chrono::hours(10)};

/// Returns claimants that were accepted in the order of their numbers, at the same time.
Claimant claimant(Token number, bool authenticated = false) {
    return {.number = number,
            .identity = identity_of(authenticated),
            .accepted = {.established = now, .accept_order = static_cast<std::uint32_t>(number)},
            .peer = {}};
}

DeviceHolder holder(Token number, bool authenticated = false) {
    return {.number = number,
            .identity = identity_of(authenticated),
            .accepted = {.established = now, .accept_order = static_cast<std::uint32_t>(number)}};
}

TEST(JudgeClaim, GoesByProofThenByLifeThenByTheOrderOfAccept) {
    struct Row {
        const char* what;
        DeviceHolder holder;
        Claimant claimant;
        ClaimVerdict verdict;
    };
    const auto ended = [](auto one) {
        one.ended = true;
        return one;
    };
    const auto established = [](auto one, std::chrono::milliseconds ago, bool or_earlier = false) {
        one.accepted.established = now - ago;
        one.accepted.or_earlier = or_earlier;
        return one;
    };
    const auto blocked = [](DeviceHolder one) {
        one.next_takeover = now + 1ms;
        return one;
    };
    const Row rows[] = {
        {"newer", holder(1), claimant(2), ClaimVerdict::granted},
        {"a late hello", holder(2), claimant(1), ClaimVerdict::older},
        {"a corpse, accepted later", holder(1), ended(claimant(2)), ClaimVerdict::ended},
        {"a corpse, accepted earlier", holder(2), ended(claimant(1)), ClaimVerdict::ended},
        {"a corpse against a corpse", ended(holder(1)), ended(claimant(2)), ClaimVerdict::ended},
        {"an older one against a corpse", ended(holder(2)), claimant(1), ClaimVerdict::granted},
        {"proof against none, though older", holder(2), claimant(1, true), ClaimVerdict::granted},
        {"proof against none, but ended", holder(1), ended(claimant(2, true)), ClaimVerdict::ended},
        {"no proof against proof", holder(1, true), claimant(2), ClaimVerdict::denied},
        {"no proof against a corpse with proof", ended(holder(1, true)), claimant(2), ClaimVerdict::denied},
        {"proof against proof, older", holder(2, true), claimant(1, true), ClaimVerdict::older},
        {"accepted later, established earlier", holder(1), established(claimant(2), 2s), ClaimVerdict::older},
        {"accepted earlier, established later", established(holder(2), 2s), claimant(1), ClaimVerdict::granted},
        {"established too close to tell", holder(1), established(claimant(2), 100ms), ClaimVerdict::granted},
        {"at least so old", established(holder(1), 25s, true), claimant(2), ClaimVerdict::granted},
        {"perhaps older than the other", established(holder(1), 60s), established(claimant(2), 25s, true),
         ClaimVerdict::granted},
        {"older for sure", holder(1), established(claimant(2), 25s, true), ClaimVerdict::older},
        {"in a row", blocked(holder(1)), claimant(2), ClaimVerdict::delayed},
        {"in a row, but late", blocked(holder(2)), claimant(1), ClaimVerdict::older},
        {"in a row, against a corpse", ended(blocked(holder(1))), claimant(2), ClaimVerdict::granted},
        {"in a row, by proof", blocked(holder(1)), claimant(2, true), ClaimVerdict::granted},
    };
    for (const Row& row : rows) EXPECT_EQ(classify_claim(row.holder, row.claimant, now), row.verdict) << row.what;
}

TEST(AcceptTime, OrdersWrap) {
    EXPECT_TRUE(accepted_before(AcceptTime{.accept_order = 0xffff'fff0}, AcceptTime{.accept_order = 5}));
    EXPECT_FALSE(accepted_before(AcceptTime{.accept_order = 5}, AcceptTime{.accept_order = 0xffff'fff0}));
}

TEST(DeviceIndex, TheNewestConnectionSpeaksForTheDevice) {
    DeviceIndex directory;
    EXPECT_EQ(directory.claim("d1", claimant(1), now).other, std::nullopt);
    EXPECT_EQ(directory.claim("d2", claimant(2), now).other, std::nullopt);
    EXPECT_EQ(directory.claim("d1", claimant(3), now).other, Token{1});
    EXPECT_EQ(directory.claim("d1", claimant(3), now).other, std::nullopt);
    EXPECT_EQ(directory.find("d1"), Token{3});
}

TEST(DeviceIndex, ALateHelloLearnsTheHolderOfTheId) {
    DeviceIndex directory;
    directory.claim("d1", claimant(2), now);
    const auto late = directory.claim("d1", claimant(1), now);
    EXPECT_EQ(late.verdict, ClaimVerdict::older);
    EXPECT_EQ(late.other, Token{2});
    EXPECT_EQ(directory.find("d1"), Token{2});
    directory.note_ended("d1", 3);  // the end of another connection
    EXPECT_EQ(directory.claim("d1", claimant(1), now).verdict, ClaimVerdict::older);
    directory.note_ended("d1", 2);
    EXPECT_EQ(directory.claim("d1", claimant(1), now).other, Token{2});
    EXPECT_EQ(directory.find("d1"), Token{1});
}

TEST(DeviceIndex, AConnectionThatHasEndedOwnsAnIdOnlyIfNoOtherDoes) {
    DeviceIndex directory;
    Claimant ended = claimant(1);
    ended.ended = true;
    EXPECT_EQ(directory.claim("d1", ended, now).verdict, ClaimVerdict::granted);
    EXPECT_EQ(directory.find("d1"), Token{1});
    EXPECT_EQ(directory.claim("d1", claimant(2), now).other, Token{1});
}

TEST(DeviceIndex, AnAuthenticatedHolderIsNotDisplacedByAnUnauthenticatedOne) {
    DeviceIndex directory;
    EXPECT_EQ(directory.claim("d1", claimant(1), now).verdict, ClaimVerdict::granted);
    EXPECT_EQ(directory.claim("d1", claimant(2, true), now).other, Token{1});
    EXPECT_EQ(directory.claim("d1", claimant(3), now).verdict, ClaimVerdict::denied);
    EXPECT_EQ(directory.find("d1"), Token{2});
    EXPECT_EQ(directory.claim("d1", claimant(4, true), now).other, Token{2});
    directory.release("d1", 4);
    EXPECT_EQ(directory.claim("d1", claimant(5), now).verdict, ClaimVerdict::granted);
}

TEST(DeviceIndex, TheEndOfAnOlderConnectionChangesNothing) {
    DeviceIndex directory;
    directory.claim("d1", claimant(1), now);
    directory.claim("d1", claimant(2), now);
    directory.release("d1", 1);
    EXPECT_EQ(directory.find("d1"), Token{2});
    directory.release("d1", 2);
    EXPECT_EQ(directory.find("d1"), std::nullopt);
    directory.release("d1", 2);
}

/// Two devices with one id reconnect whenever the other has taken it over.
TEST(DeviceIndex, TwoDevicesWithOneIdAreDelayedAndReported) {
    DeviceIndex directory;
    SteadyTime time = now;
    int takeovers = 0;
    for (Token number = 1; time < now + 10min; ++number) {
        Claimant next = claimant(number);
        next.peer = parse_endpoint("10.0.0." + std::to_string(1 + number % 2) + ":7000").value();
        auto claim = directory.claim("d1", next, time);
        for (; claim.verdict == ClaimVerdict::delayed; claim = directory.claim("d1", next, time)) time = claim.again;
        ASSERT_EQ(claim.verdict, ClaimVerdict::granted);
        ++takeovers;
        time += 1ms;
    }
    EXPECT_LT(takeovers, 110);
    EXPECT_GT(takeovers, 70);
    const auto duplicates = directory.duplicates(time);
    ASSERT_EQ(duplicates.size(), 1U);
    EXPECT_EQ(duplicates[0].id, "d1");
    EXPECT_NE(duplicates[0].holder, duplicates[0].claimant);
    EXPECT_TRUE(directory.duplicates(time + 2min).empty());
}

TEST(DeviceIndex, ADeviceThatReconnectsNowAndThenIsNeverDelayed) {
    DeviceIndex directory;
    for (Token number = 1; number < 1'000; ++number) {
        const SteadyTime time = now + number * 10s;
        EXPECT_EQ(directory.claim("often", claimant(number), time).verdict, ClaimVerdict::granted) << number;
    }
    for (Token number = 1; number <= 30; ++number) {
        EXPECT_EQ(directory.claim("at once", claimant(number), now).verdict, ClaimVerdict::granted) << number;
    }
    EXPECT_TRUE(directory.duplicates(now).empty());
}

}  // namespace

}  // namespace holdfast
