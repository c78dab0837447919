#include "fleet/former_lives.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

FormerConnection life(const std::string& conn, const std::string& id) {
    return {conn, "devices", R"({"event":"closed","conn":")" + conn + R"(","id":")" + id + "\"}\n"};
}

PresenceRecord record(std::uint64_t number, bool online) {
    PresenceRecord made;
    made.conn = {.run = 1, .number = number};
    made.online = online;
    return made;
}

class FormerLivesTest : public testing::Test {
protected:
    FormerLives::Settled settle(FormerLives& lives) {
        return lives.settle(100, [this](const std::string& id) {
            const auto found = bucket_.find(id);
            return found == bucket_.end() ? std::nullopt : std::optional(found->second);
        });
    }
    static std::vector<std::string> conns(const FormerLives::Settled& settled) {
        std::vector<std::string> out;
        for (const FormerConnection& life : settled.tell) out.push_back(life.conn);
        return out;
    }

    std::map<std::string, PresenceRecord> bucket_;
};

TEST_F(FormerLivesTest, ReportsConnectionsThatWereNeverInTheBucket) {
    FormerLives lives({life("1-1", "a"), life("1-2", R"(quote\"d)"), life("1-3", "moved")}, true);
    bucket_["quote\"d"] = record(2, false);  // a survivor has marked it
    bucket_["moved"] = record(9, true);      // it has connected again
    const auto settled = settle(lives);
    EXPECT_THAT(conns(settled), ElementsAre("1-1"));
    EXPECT_THAT(settled.reported_by_fleet, ElementsAre("1-2", "1-3"));
    EXPECT_TRUE(lives.empty());
}

TEST_F(FormerLivesTest, WaitsForAMarkThatIsUnderWay) {
    FormerLives lives({life("1-1", "a")}, true);
    bucket_["a"] = record(1, true);
    EXPECT_THAT(conns(settle(lives)), IsEmpty());
    EXPECT_FALSE(lives.empty());
    bucket_["a"] = record(1, false);
    EXPECT_THAT(settle(lives).reported_by_fleet, ElementsAre("1-1"));
}

TEST_F(FormerLivesTest, AConnectionThatTheFleetReportsIsRemoved) {
    FormerLives lives({life("1-1", "a")}, true);
    EXPECT_FALSE(lives.take("1-2"));
    const auto taken = lives.take("1-1");
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->conn, "1-1");
    EXPECT_TRUE(lives.empty());
}

TEST_F(FormerLivesTest, AfterALongAbsenceARecordMayHaveBeenTidiedAway) {
    FormerLives lives({life("1-1", "a")}, false);
    const auto settled = settle(lives);
    EXPECT_THAT(conns(settled), IsEmpty());
    EXPECT_THAT(settled.reported_by_fleet, ElementsAre("1-1"));
}

}  // namespace
}  // namespace holdfast
