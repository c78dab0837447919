#include <gtest/gtest.h>

#include "api/render.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_watch_view.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr const char* alarm_text =
    R"({"id":1,"alarm":"population_drop","listener":"devices","raised_at":"2026-11-22T08:00:00.123Z",)"
    R"("cleared_at":null,"count":4100,"took_s":9.1,"population_before":10000,"population_now":5900,)"
    R"("reasons":{"keepalive_expired":3813,"peer_reset":287},)"
    R"("prefixes":[{"prefix":"10.2.0.0/16","dead":4100,"alive":0}],"elsewhere":0,)"
    R"("summary":"4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16",)"
    R"("cause":"A network partition: the whole of 10.2.0.0/16 fell silent at once.",)"
    R"("advice":"Look at the router in front of 10.2.0.0/16.","severity":"critical",)"
    R"("commands":["holdfast closed --reason keepalive_expired --peer 10.2.0.0/16"],"acknowledged":null})";

TrendPoint example_point() {
    TrendPoint point;
    point.at = EventTime(1'795'334'400'000ms);
    point.connections = 9;
    point.fewest = 8;
    point.max = 10;
    point.accepted = 2;
    point.refused = 3;
    point.closed[static_cast<std::size_t>(CloseReason::peer_closed)] = 1;
    point.items = 5;
    point.bad_items = 4;
    return point;
}

TEST(RenderWatch, Trend) {
    EXPECT_EQ(render_trend(3600s, {10s, {example_point()}}),
              R"({"window_s":3600,"step_s":10,"points":[{"at":"2026-11-22T08:00:00.000Z","connections":9,"fewest":8,)"
              R"("most":10,"accepted":2,"refused":3,"closed":{"peer_closed":1},"items":5,"bad_items":4}]})");
    EXPECT_EQ(render_trend(60s, {1s, {}}), R"({"window_s":60,"step_s":1,"points":[]})");
}

TEST(RenderWatch, Alarms) {
    EXPECT_EQ(render_alarm(example_alarm()), alarm_text);
    EXPECT_EQ(render_alarms({}), R"({"total":0,"active":[],"recent":[]})");
    Alarm cleared = example_alarm();
    cleared.listener.clear();
    cleared.cleared_at = cleared.raised_at + 60s;
    cleared.summary = "a\nb\"";
    const std::string all = render_alarms({{example_alarm()}, {cleared}});
    EXPECT_TRUE(all.starts_with(R"({"total":2,"active":[)" + std::string(alarm_text) + R"(],"recent":[{"id":1,)"))
        << all;
    EXPECT_NE(all.find(R"("listener":null)"), std::string::npos);
    EXPECT_NE(all.find(R"("cleared_at":"2026-11-22T08:01:00.123Z")"), std::string::npos);
    EXPECT_NE(all.find(R"("summary":"a\nb\"")"), std::string::npos);
}

TEST(RenderWatch, AnAlarmNamesItsMembersAndItsAcknowledgement) {
    AlarmDetail detail{.alarm = example_alarm(), .total = 4'100, .back = 1, .members = example_members()};
    detail.alarm.interval = AlarmInterval{detail.alarm.raised_at - 9s, detail.alarm.raised_at};
    detail.alarm.acknowledged = Acknowledgement{detail.alarm.raised_at, "Anna"};
    const std::string all = render_alarm_detail(detail, {});
    EXPECT_TRUE(all.starts_with(R"({"id":1,"alarm":"population_drop",)")) << all;
    EXPECT_TRUE(all.ends_with(
        R"("commands":["holdfast alarms 1 --state missing","holdfast alarms 1 --csv > alarm-1.csv",)"
        R"("holdfast closed --reason keepalive_expired --peer 10.2.0.0/16 --since 2026-11-22T07:59:51Z"],)"
        R"("acknowledged":{"at":"2026-11-22T08:00:00.123Z","note":"Anna"},)"
        R"("members":{"total":4100,"listed":2,"back":1,"matching":2,"rows":[)"
        R"({"id":null,"peer":"10.2.0.9:5001","key":null,"conn":"7f2c91a0-1","at":"2026-11-22T08:00:00.123Z",)"
        R"("reason":"keepalive_expired","back":false},)"
        R"({"id":"=1+\"2\"","peer":"10.2.0.9:5002","key":"k","conn":"7f2c91a0-2","at":"2026-11-22T08:00:00.123Z",)"
        R"("reason":"keepalive_expired","back":true}]}})"))
        << all;
    detail.members[0].member.reason.reset();
    EXPECT_NE(render_alarm_detail(detail, {.back = false}).find(R"("matching":1,"rows":[{"id":null,)"),
              std::string::npos);
    EXPECT_NE(render_alarm_detail(detail, {.back = false}).find(R"("reason":null,"back":false}]}})"),
              std::string::npos);
    EXPECT_NE(render_alarm_detail(detail, {.back = {}, .offset = 1, .limit = 5}).find(R"("rows":[{"id":"=1)"),
              std::string::npos);
    EXPECT_NE(render_alarm_detail(detail, {.back = {}, .offset = 9, .limit = 5}).find(R"("rows":[]}})"),
              std::string::npos);
}

TEST(RenderWatch, ACsvFileQuotesItsCellsAndDefusesFormulas) {
    AlarmDetail detail{.alarm = example_alarm(), .members = example_members()};
    detail.members.resize(1);
    const std::string head = "id,peer,key,conn,at,reason,back\r\n";
    const auto cell_of = [&](const std::string& id) {
        detail.members[0].member.id = id;
        const std::string text = render_members_csv(detail, {}).substr(head.size());
        return text.substr(0, text.find(",10.2.0.9:5001,"));
    };
    EXPECT_EQ(render_members_csv(detail, {}),
              head + ",10.2.0.9:5001,,7f2c91a0-1,2026-11-22T08:00:00.123Z,keepalive_expired,no\r\n");
    EXPECT_EQ(cell_of("device-1"), "device-1");
    EXPECT_EQ(cell_of("a,b"), "\"a,b\"");
    EXPECT_EQ(cell_of("a\"b"), "\"a\"\"b\"");
    EXPECT_EQ(cell_of("a\r\nb"), "\"a\r\nb\"");
    for (const std::string formula : {"=1", "+1", "-1", "@x", "\tx"}) EXPECT_EQ(cell_of(formula), "'" + formula);
    EXPECT_EQ(cell_of("=a,b"), "\"'=a,b\"");
}

TEST(RenderWatch, AnAlarmOfSilenceSaysHowItsSuspectsStand) {
    Alarm alarm = example_alarm();
    alarm.kind = AlarmKind::peers_silent;
    alarm.silent =
        SilentPeers{.since = alarm.raised_at - 2s, .suspects = 112, .recovered = 300, .lasted = 6s, .times = 1};
    EXPECT_NE(
        render_alarm(alarm).find(
            R"("population_now":5900,"suspect_since":"2026-11-22T07:59:58.123Z","suspects":112,"recovered":300,)"),
        std::string::npos)
        << render_alarm(alarm);
}

TEST(RenderWatch, Reconciliation) {
    holdfast::Reconciliation reconciled;
    reconciled.at = EventTime(1'795'334'400'000ms);
    reconciled.took = 130ms;
    reconciled.registry = 100;
    reconciled.kernel = 101;
    reconciled.ghosts = 1;
    reconciled.orphans = 2;
    const Endpoint peer = parse_endpoint("10.2.0.9:51514").value();
    reconciled.examples = {{Discrepancy::Kind::orphan, "devices", peer, {}, 17},
                           {Discrepancy::Kind::ghost, "devices", peer, FakeControlPlane::known, -1}};
    EXPECT_EQ(render_reconciliation(reconciled),
              R"({"at":"2026-11-22T08:00:00.000Z","took_ms":130,"registry":100,"kernel":101,"drift":3,"ghosts":1,)"
              R"("orphans":2,"stuck_close_wait":0,"examples":[)"
              R"({"kind":"orphan","listener":"devices","peer":"10.2.0.9:51514","conn":null,"descriptor":17},)"
              R"({"kind":"ghost","listener":"devices","peer":"10.2.0.9:51514","conn":"7f2c91a0-1","descriptor":null}],)"
              R"("error":null})");
    reconciled.error = "sock_diag: Operation not permitted";
    EXPECT_NE(render_reconciliation(reconciled).find(R"("error":"sock_diag: Operation not permitted")"),
              std::string::npos);
}

TEST(RenderWatch, Reload) {
    ReloadResult result;
    result.applied = {"detect_within of listener devices is now 20s"};
    result.warnings = {"w"};
    EXPECT_EQ(render_reload(result),
              R"({"applied":["detect_within of listener devices is now 20s"],"needs_restart":[],"warnings":["w"]})");
    result.errors = {"a.toml:3: one", "a.toml:9: two"};
    EXPECT_EQ(
        render_reload_errors(result),
        R"({"error":{"code":"bad_config","message":"a.toml:3: one","details":["a.toml:3: one","a.toml:9: two"]}})");
}

TEST(RenderWatch, Sample) {
    ServerStatus status = FakeControlPlane().status();
    status.listeners[0].connections = 9;
    EXPECT_EQ(
        render_sample(example_point(), status, 1),
        R"({"at":"2026-11-22T08:00:00.000Z","connections":9,"accepted":2,"refused":3,"closed":{"peer_closed":1},)"
        R"("items":5,"bad_items":4,"listeners":{"devices":9},"suspects":0,"alarms_active":1,"reading_paused":false,)"
        R"("accept_paused":false})");
    status.reading_paused = true;
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "b";
    status.listeners[1].accept_paused = true;
    EXPECT_TRUE(
        render_sample(example_point(), status, 0)
            .ends_with(R"("listeners":{"devices":9,"b":9},"suspects":0,"alarms_active":0,"reading_paused":true,)"
                       R"("accept_paused":true})"));
}

}  // namespace
}  // namespace holdfast
