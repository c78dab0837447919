#include "doctor/proof.h"

#include <set>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr SteadyTime start{std::chrono::hours(1)};

const ProofRow idle{Way::idle, "idle", "vanishes while idle", CloseReason::keepalive_expired, milliseconds(5'000)};
const ProofRow quiet{Way::quiet, "quiet", "lives and sends nothing", std::nullopt, milliseconds(5'000)};

Outcome found(int after_ms, CloseReason reason = CloseReason::keepalive_expired) {
    return {start, start + milliseconds(after_ms), reason};
}
Outcome never() { return {start, std::nullopt, {}}; }

TEST(ProofTable, EachWayOnceAndNoneBeyondTheBound) {
    const LivenessPlan plan = plan_liveness(milliseconds(5'000)).value();
    const auto table = proof_table(plan);
    std::set<Way> ways;
    std::set<std::string> ids;
    for (const ProofRow& row : table) {
        EXPECT_LE(row.promised, plan.detect_within) << row.id;
        ways.insert(row.way);
        ids.insert(row.id);
    }
    EXPECT_EQ(ways.size(), table.size());
    EXPECT_EQ(ids.size(), table.size());
    EXPECT_EQ(table.front().promised, milliseconds(250));
}

TEST(Judge, KeptIfAllWereFoundInTimeForTheReasonExpected) {
    const ProvedRow row = classify(idle, {found(4'000), found(5'000), found(3'000)});
    EXPECT_TRUE(row.kept);
    EXPECT_EQ(row.connections, 3U);
    EXPECT_EQ(row.found, 3U);
    EXPECT_EQ(row.median, milliseconds(4'000));
    EXPECT_EQ(row.worst, milliseconds(5'000));
}

TEST(Judge, NotKeptIfOneIsLate) { EXPECT_FALSE(classify(idle, {found(4'000), found(5'001)}).kept); }

TEST(Judge, NotKeptIfOneIsNeverFound) {
    const ProvedRow row = classify(idle, {found(4'000), never()});
    EXPECT_FALSE(row.kept);
    EXPECT_EQ(row.found, 1U);
    EXPECT_EQ(row.worst, milliseconds(4'000));
}

TEST(Judge, NotKeptIfOneHasAnotherReason) {
    const ProvedRow row = classify(idle, {found(4'000), found(4'000, CloseReason::peer_reset), found(4'000)});
    EXPECT_FALSE(row.kept);
    ASSERT_EQ(row.seen.size(), 2U);
    EXPECT_EQ(row.seen.front(), std::pair(CloseReason::keepalive_expired, std::size_t{2}));
}

TEST(Judge, TheLivingMustLive) {
    EXPECT_TRUE(classify(quiet, {never(), never()}).kept);
    EXPECT_FALSE(classify(quiet, {never(), found(1'000)}).kept);
}

TEST(Judge, NothingTriedIsNothingKept) {
    EXPECT_FALSE(classify(idle, {}).kept);
    EXPECT_FALSE(classify(quiet, {}).kept);
    EXPECT_FALSE(Proof{}.kept());
}

TEST(Proof, OneBrokenPromiseBreaksIt) {
    Proof proof;
    proof.rows = {classify(idle, {found(4'000)}), classify(quiet, {never()})};
    EXPECT_TRUE(proof.kept());
    proof.rows.push_back(classify(idle, {never()}));
    EXPECT_FALSE(proof.kept());
}

TEST(Proof, Json) {
    Proof proof;
    proof.plan = plan_liveness(milliseconds(5'000)).value();
    proof.kernel = "6.1";
    proof.took = milliseconds(6'100);
    proof.rows = {classify(idle, {found(4'000), found(4'500)}), classify(quiet, {never()})};
    const std::string json = to_json(proof);
    EXPECT_EQ(json.substr(0, 67), R"({"kept":true,"kernel":"6.1","detect_within_ms":5000,"took_ms":6100,)");
    EXPECT_EQ(
        json.substr(json.find("\"rows\"")),
        R"("rows":[{"id":"idle","what":"vanishes while idle","connections":2,"found":2,)"
        R"("expected":"keepalive_expired","seen":{"keepalive_expired":2},"median_ms":4500,"worst_ms":4500,)"
        R"("promised_ms":5000,"kept":true},{"id":"quiet","what":"lives and sends nothing","connections":1,"found":0,)"
        R"("expected":null,"seen":{},"median_ms":null,"worst_ms":null,"promised_ms":5000,"kept":true}]})");
}

}  // namespace
}  // namespace holdfast
