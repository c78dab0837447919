#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_bucket.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Compares records of gateway "one" with the connections that it holds.
class PresenceAuditTest : public testing::Test {
protected:
    void set_time(int milliseconds) {
        one_.presence.set_time(SteadyTime(std::chrono::milliseconds(milliseconds)), at(milliseconds));
        one_.presence.step([](const std::string&) { return true; });
    }
    Presence::Audit audit() {
        return one_.presence.audit(1, [this](const std::string& id) {
            const auto found = held_.find(id);
            return found == held_.end() ? std::nullopt : std::optional(found->second);
        });
    }
    const PresenceRecord& record() { return bucket_.find("d")->record; }

    FakeBucket bucket_;
    Gateway one_{bucket_, "one", 1};
    std::map<std::string, ConnectionId> held_;
};

/// For example, the superseding connection ended before its note was read.
TEST_F(PresenceAuditTest, ASupersededConnectionIsClosedUnlessANewerOneArrives) {
    set_time(0);
    one_.presence.here("d", held({10, 1}, 5));
    one_.settle();
    one_.presence.gone("d", {10, 1}, CloseReason::superseded, at(6));
    set_time(900);
    one_.settle();
    EXPECT_TRUE(record().online);
    set_time(1'000);
    one_.settle();
    EXPECT_FALSE(record().online);
    EXPECT_EQ(record().reason, CloseReason::superseded);
    one_.presence.here("d", held({10, 2}, 1'001));
    one_.presence.gone("d", {10, 2}, CloseReason::superseded, at(1'002));
    one_.presence.here("d", held({10, 3}, 1'002));
    one_.settle();
    set_time(3'000);
    one_.settle();
    EXPECT_TRUE(record().online);
    EXPECT_EQ(record().conn, (ConnectionId{10, 3}));
}

/// A put whose answer was lost reaches the bucket although its connection has ended.
TEST_F(PresenceAuditTest, ARecordThatIsFoundInTheBucketIsClosed) {
    set_time(0);
    bucket_.put({"d", online_record(), 0});
    one_.presence.begin_snapshot();
    one_.check("d");
    one_.presence.end_snapshot();
    set_time(1'000);
    one_.settle();
    EXPECT_FALSE(record().online);
}

TEST_F(PresenceAuditTest, ARecordWithoutAConnectionIsClosed) {
    set_time(0);
    one_.presence.here("d", held({10, 1}, 5));
    one_.settle();
    EXPECT_EQ(audit().corrected, 0U) << "news of it may be on its way";
    set_time(1'999);
    EXPECT_EQ(audit().corrected, 0U);
    set_time(2'000);
    EXPECT_EQ(audit().corrected, 1U);
    one_.settle();
    EXPECT_FALSE(record().online);
    EXPECT_EQ(one_.presence.held(), 0U);
    set_time(9'000);
    EXPECT_EQ(audit().corrected, 0U);
}

TEST_F(PresenceAuditTest, AConnectionWithoutARecordIsNamed) {
    set_time(0);
    one_.presence.here("d", held({10, 1}, 5));
    one_.settle();
    held_["d"] = {10, 2};
    audit();
    set_time(2'000);
    EXPECT_THAT(audit().unknown, ElementsAre(std::pair<std::string, ConnectionId>("d", {10, 2})));
}

TEST_F(PresenceAuditTest, WhatAgreesIsLeftAlone) {
    Gateway two{bucket_, "two", 2};
    set_time(0);
    for (int n = 0; n < 500; ++n) {
        const ConnectionId conn{10, static_cast<std::uint64_t>(n) + 1};
        one_.presence.here("x" + std::to_string(n), held(conn, 5));
        held_["x" + std::to_string(n)] = conn;
    }
    two.presence.here("elsewhere", held({20, 1}, 5));
    for (int round = 0; round < 6; ++round) {
        one_.settle();
        two.settle();
    }
    for (int time = 0; time < 60'000; time += 500) {
        set_time(time);
        const auto found = audit();
        EXPECT_EQ(found.corrected, 0U);
        EXPECT_THAT(found.unknown, IsEmpty());
    }
}

}  // namespace
}  // namespace holdfast
