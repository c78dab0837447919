#include "alarm/webhook_pace.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

const WebhookPace::Time pace_start{1h};

Alarm numbered(std::uint64_t id) {
    Alarm alarm;
    alarm.id = id;
    return alarm;
}

TEST(WebhookPace, AnAcknowledgedAlarmIsNotRepeatedUntilItsEnd) {
    WebhookPace pace;
    Alarm alarm = numbered(1);
    EXPECT_TRUE(pace.wants(WebhookForm::holdfast, alarm, pace_start));
    EXPECT_TRUE(pace.wants(WebhookForm::holdfast, alarm, pace_start + 5s));
    alarm.acknowledged = Acknowledgement{{}, "Anna"};
    EXPECT_FALSE(pace.wants(WebhookForm::holdfast, alarm, pace_start + 10s));
    EXPECT_FALSE(pace.wants(WebhookForm::slack, alarm, pace_start + 1h));
    EXPECT_TRUE(pace.wants(WebhookForm::holdfast, numbered(2), pace_start + 10s)) << "another one";
    alarm.cleared_at = EventTime(1s);
    EXPECT_TRUE(pace.wants(WebhookForm::holdfast, alarm, pace_start + 15s));
}

TEST(WebhookPace, SlackGetsAChangeOnceAMinute) {
    WebhookPace pace;
    EXPECT_TRUE(pace.wants(WebhookForm::slack, numbered(1), pace_start));
    EXPECT_FALSE(pace.wants(WebhookForm::slack, numbered(1), pace_start + 59s));
    EXPECT_TRUE(pace.wants(WebhookForm::slack, numbered(2), pace_start + 59s));
    EXPECT_TRUE(pace.wants(WebhookForm::slack, numbered(1), pace_start + 60s));
    Alarm over = numbered(1);
    over.cleared_at = EventTime(1s);
    EXPECT_TRUE(pace.wants(WebhookForm::slack, over, pace_start + 61s));
    EXPECT_FALSE(pace.repeats(WebhookForm::slack, pace_start + 2h));
}

TEST(WebhookPace, AlertmanagerGetsActiveAlarmsEachMinuteAlsoAcknowledgedOnes) {
    WebhookPace pace;
    Alarm alarm = numbered(1);
    alarm.acknowledged = Acknowledgement{{}, "Anna"};
    EXPECT_TRUE(pace.wants(WebhookForm::alertmanager, alarm, pace_start));
    EXPECT_TRUE(pace.repeats(WebhookForm::alertmanager, pace_start));
    EXPECT_FALSE(pace.repeats(WebhookForm::alertmanager, pace_start + 59s));
    EXPECT_TRUE(pace.repeats(WebhookForm::alertmanager, pace_start + 60s));
}

}  // namespace
}  // namespace holdfast
