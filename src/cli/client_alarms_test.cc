#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/client_verbs.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ClientVerbs, AnAlarmListsItsMembers) {
    watch_.board.active.push_back(example_alarm());
    watch_.members = example_members();
    const VerbOutcome outcome = request({"alarms", "1"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, StartsWith("population_drop on listener devices, alarm 1, since "));
    EXPECT_THAT(outcome.out, HasSubstr("  members     4,100, 1 back\n              2 of them were recorded\n"));
    EXPECT_THAT(outcome.out, HasSubstr("  10.2.0.9:5001  -    7f2c91a0-1  "));
    EXPECT_THAT(outcome.out, HasSubstr("\n2 of 2 members\n"));
    EXPECT_THAT(request({"alarms", "1", "--state", "missing", "--json"}).out,
                HasSubstr("\"members\":{\"total\":4100,\"listed\":2,\"back\":1,\"matching\":1,"));
    EXPECT_EQ(request({"alarms", "1", "--csv", "--state", "back"}).out,
              "id,peer,key,conn,at,reason,back\r\n"
              "\"'=1+\"\"2\"\"\",10.2.0.9:5002,k,7f2c91a0-2,2026-11-22T08:00:00.123Z,keepalive_expired,yes\r\n");
    expect_one_line(request({"alarms", "2"}), 1, "unknown alarm \"2\"");
    expect_one_line(request({"alarms", "--csv"}), 2, "give an ID");
    expect_one_line(request({"alarms", "--state", "back"}), 2, "give an ID");
}

TEST_F(ClientVerbs, AnAlarmIsAcknowledgedWithANote) {
    watch_.board.active.push_back(example_alarm());
    EXPECT_EQ(request({"alarms", "1", "--note", "Anna: router"}).out, "the alarm is acknowledged\n");
    EXPECT_THAT(request({"alarms"}).out, HasSubstr("  note        2026-11-22T08:00:00.123Z: Anna: router\n"));
    EXPECT_EQ(request({"alarms", "1", "--withdraw"}).out, "the acknowledgement is withdrawn\n");
    EXPECT_EQ(watch_.board.active[0].acknowledged, std::nullopt);
    expect_one_line(request({"alarms", "--note", "x"}), 2, "give an ID");
    expect_one_line(request({"alarms", "9", "--note", "x"}), 1, "unknown alarm");
}

}  // namespace
}  // namespace holdfast
