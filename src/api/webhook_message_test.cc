#include "api/webhook_message.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_watch_view.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const AlarmOrigin message_origin{"gateway-1", "https://gw.example/"};

TEST(WebhookMessage, TheOwnFormIsTheAlarmWithItsOrigin) {
    const Alarm alarm = example_alarm();
    const std::string text = webhook_message(WebhookForm::holdfast, alarm, message_origin, alarm.raised_at);
    EXPECT_THAT(text, StartsWith(R"({"id":1,"alarm":"population_drop","listener":"devices",)"));
    EXPECT_THAT(text, HasSubstr(R"("severity":"critical")"));
    EXPECT_THAT(text, EndsWith(R"("gateway":"gateway-1","status":"firing","url":"https://gw.example/#/alarms/1"})"));
    Alarm over = alarm;
    over.cleared_at = over.raised_at + 60s;
    EXPECT_THAT(webhook_message(WebhookForm::holdfast, over, {"g", ""}, over.raised_at),
                EndsWith(R"("gateway":"g","status":"resolved","url":null})"));
}

TEST(WebhookMessage, AlertmanagerGetsAnAlertThatExpires) {
    std::array<Alarm, 2> alarms{example_alarm(), example_alarm()};
    alarms[1].id = 2;
    alarms[1].kind = AlarmKind::sink_lag;
    alarms[1].listener.clear();
    alarms[1].cleared_at = alarms[1].raised_at + 60s;
    alarms[1].acknowledged = Acknowledgement{alarms[1].raised_at, "Anna"};
    EXPECT_EQ(alertmanager_message(alarms, message_origin, alarms[0].raised_at + 30s),
              R"([{"labels":{"alertname":"HoldfastPopulationDrop","alarm":"population_drop","alarm_id":"1",)"
              R"("severity":"critical","gateway":"gateway-1","listener":"devices"},)"
              R"("annotations":{"summary":"4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16",)"
              R"("description":"A network partition: the whole of 10.2.0.0/16 fell silent at once.",)"
              R"("advice":"Look at the router in front of 10.2.0.0/16."},"startsAt":"2026-11-22T08:00:00.123Z",)"
              R"("endsAt":"2026-11-22T08:04:30.123Z","generatorURL":"https://gw.example/#/alarms/1"},)"
              R"({"labels":{"alertname":"HoldfastSinkLag","alarm":"sink_lag","alarm_id":"2","severity":"critical",)"
              R"("gateway":"gateway-1"},)"
              R"("annotations":{"summary":"4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16",)"
              R"("description":"A network partition: the whole of 10.2.0.0/16 fell silent at once.",)"
              R"("advice":"Look at the router in front of 10.2.0.0/16.","acknowledged":"Anna"},)"
              R"("startsAt":"2026-11-22T08:00:00.123Z","endsAt":"2026-11-22T08:01:00.123Z",)"
              R"("generatorURL":"https://gw.example/#/alarms/2"}])");
}

TEST(WebhookMessage, SlackGetsAText) {
    Alarm alarm = example_alarm();
    alarm.summary = "a <b> & c";
    EXPECT_EQ(
        webhook_message(WebhookForm::slack, alarm, message_origin, alarm.raised_at),
        R"({"text":"*[FIRING] population_drop* on gateway-1, listener devices (critical)\n)"
        R"(a &lt;b&gt; &amp; c\nLikely cause: A network partition: the whole of 10.2.0.0/16 fell silent at once.\n)"
        R"(What to do: Look at the router in front of 10.2.0.0/16.\n)"
        R"(`holdfast closed --reason keepalive_expired --peer 10.2.0.0/16`\n)"
        R"(<https://gw.example/#/alarms/1|Alarm 1>"})");
    alarm.cleared_at = alarm.raised_at;
    EXPECT_THAT(webhook_message(WebhookForm::slack, alarm, {"g", ""}, alarm.raised_at),
                StartsWith(R"({"text":"*[RESOLVED] population_drop* on g)"));
}

}  // namespace
}  // namespace holdfast
