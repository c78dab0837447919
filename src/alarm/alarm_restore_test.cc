#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(RestoredAlarms, ADropOfAnEarlierProcessStaysActive) {
    Alarm drop;
    drop.id = 3;
    drop.kind = AlarmKind::population_drop;
    drop.listener = "devices";
    drop.interval = AlarmInterval{};
    drop.population_before = 200;
    AlarmGateway next;
    next.engine.restore({.active = {drop}, .recent = {}, .last_id = 3});
    next.come("10.1.0.1", 90);
    next.seconds(200);
    ASSERT_THAT(next.active(), SizeIs(1));
    EXPECT_EQ(next.active()[0].population_now, 90U);
    next.seconds(120);
    EXPECT_THAT(next.active(), IsEmpty());
}

TEST(RestoredAlarms, OfAnEarlierProcessStayOnTheBoard) {
    AlarmGateway former;
    former.sink.error = "broken pipe";
    former.second();
    former.engine.acknowledge(1, Acknowledgement{.at = {}, .note = "the disk is replaced"});
    former.second();
    AlarmGateway next;
    next.engine.restore(former.engine.board());
    EXPECT_THAT(next.second(), IsEmpty()) << "nothing is new";
    ASSERT_THAT(next.active(), SizeIs(1));
    EXPECT_THAT(next.active()[0].cause, HasSubstr("from before the gateway's restart"));
    EXPECT_EQ(next.active()[0].acknowledged->note, "the disk is replaced");
    next.seconds(40);
    EXPECT_THAT(next.active(), IsEmpty()) << "the sink works";
    ASSERT_THAT(next.recent(), SizeIs(1));
    EXPECT_TRUE(next.recent()[0].cleared_at);
    next.sink.error = "broken pipe";
    next.second();
    ASSERT_THAT(next.active(), SizeIs(1));
    EXPECT_EQ(next.active()[0].id, 2U);
}

}  // namespace
}  // namespace holdfast
