#include "api/render.h"

#include <simdjson.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

EventTime at(long long ms) { return EventTime(std::chrono::milliseconds(ms)); }

ConnectionRow sample_row() {
    ConnectionRow row;
    row.conn = {0x7f2c91a0, 0x1f};
    row.listener = "devices";
    row.peer = parse_endpoint("[2001:db8::1]:51514").value();
    row.connected_at = at(1795334400123);
    row.age = 61'400ms;
    row.since_item = 400ms;
    row.items = 1;
    row.bytes_in = 49;
    return row;
}

TEST(Render, Time) {
    EXPECT_EQ(render_time(at(1795334400123)), "2026-11-22T08:00:00.123Z");
    EXPECT_EQ(render_time(at(0)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(render_time(at(951868799009)), "2000-02-29T23:59:59.009Z");
}

TEST(Render, Connections) {
    ConnectionRow keyed = sample_row();
    keyed.key = "a\"b\n\x1b";
    EXPECT_EQ(
        render_connections({7, {sample_row(), keyed}}),
        R"({"total":7,"connections":[)"
        R"({"conn":"7f2c91a0-1f","listener":"devices","peer":"[2001:db8::1]:51514","key":null,)"
        R"("connected_at":"2026-11-22T08:00:00.123Z","age_s":61.4,"since_item_s":0.4,"items":1,"bytes_in":49,"bytes_out":0,"liveness":"device"},)"
        R"({"conn":"7f2c91a0-1f","listener":"devices","peer":"[2001:db8::1]:51514","key":"a\"b\n\u001b",)"
        R"("connected_at":"2026-11-22T08:00:00.123Z","age_s":61.4,"since_item_s":0.4,"items":1,"bytes_in":49,"bytes_out":0,"liveness":"device"}]})");
    EXPECT_EQ(render_connections({}), R"({"total":0,"connections":[]})");
}

TEST(Render, ConnectionHasEvidenceAndPlan) {
    ConnectionDetail detail;
    detail.row = sample_row();
    detail.evidence = {5, 2, 20'012ms, 300ms, 10, 4, 64512, 310us};
    detail.plan.detect_within = 30s;
    detail.plan.idle = 10s;
    detail.plan.interval = 2s;
    detail.plan.count = 5;
    detail.plan.user_timeout = 19'000ms;
    detail.plan.rto_max = 2s;
    detail.plan.sweep_period = 1'000ms;
    detail.plan.silence_limit = 28'000ms;
    detail.plan.lost_probes_tolerated = 4;
    detail.plan.worst_case = {10ms, 20s, 29s, 28s, 27s};
    detail.plan.safe_outage = {16s, 15s, 7s};
    detail.plan.safe_round_trip = 14s;
    detail.unfinished_item_bytes = 17;
    detail.downlink_queue_bytes = 18;
    const std::string json = render_connection(detail);
    EXPECT_TRUE(json.ends_with(
        R"("bytes_out":0,"liveness":"device","unfinished_item_bytes":17,"downlink_queue_bytes":18,)"
        R"("evidence":{"probes":5,"retransmits":2,"last_ack_ms":20012,"last_heard_ms":300,"unacked_bytes":10,)"
        R"("unsent_bytes":4,"peer_window":64512,"rtt_us":310},"detect_within_ms":30000,)"
        R"("plan":{"idle_s":10,"interval_s":2,"count":5,"user_timeout_ms":19000,"rto_max_ms":2000,"sweep_period_ms":1000,)"
        R"("silence_limit_ms":28000,"lost_probes_tolerated":4,)"
        R"("worst_case_ms":{"fin_or_reset":10,"idle":20000,"in_flight":29000,"probing":28000,"zero_window":27000},)"
        R"("safe_outage_ms":{"idle":16000,"in_flight":15000,"in_flight_uncapped":7000},"safe_round_trip_ms":14000}})"))
        << json;
}

TEST(Render, OnlyASuspectSaysSinceWhen) {
    ConnectionRow row = sample_row();
    EXPECT_EQ(render_connections({.total = 1, .rows = {row}}).find("suspect"), std::string::npos);
    row.suspect_since = at(1795334400123);
    EXPECT_TRUE(render_connections({.total = 1, .rows = {row}})
                    .ends_with(R"("liveness":"device","suspect_since":"2026-11-22T08:00:00.123Z"}]})"));
}

TEST(Render, ClosedIsLikeTheEvent) {
    ClosedLife life;
    life.conn = {0x7f2c91a0, 1};
    life.listener = "devices";
    life.peer = parse_endpoint("10.2.0.9:51514").value();
    life.key = "10.20.30.40";
    life.reason = CloseReason::keepalive_expired;
    life.error = ETIMEDOUT;
    life.evidence.probes = 5;
    life.items = 1;
    life.bytes_in = 49;
    life.duration = 61'400ms;
    life.at = at(1795334400123);
    ClosedLife plain = life;
    plain.reason = CloseReason::peer_closed;
    plain.error = 0;
    plain.detail = "why";
    plain.key.clear();
    const std::string json = render_closed({2, {life, plain}});
    EXPECT_TRUE(json.starts_with(
        R"({"total":2,"closed":[{"conn":"7f2c91a0-1","listener":"devices","peer":"10.2.0.9:51514","key":"10.20.30.40",)"
        R"("reason":"keepalive_expired","kind":"network","error":"ETIMEDOUT","detail":null,"evidence":{"probes":5,)"))
        << json;
    EXPECT_NE(json.find(R"("items":1,"bytes_in":49,"bytes_out":0,"duration_s":61.4,)"
                        R"("connected_at":"2026-11-22T07:58:58.723Z","at":"2026-11-22T08:00:00.123Z"},{)"),
              std::string::npos)
        << json;
    EXPECT_NE(json.find(R"("key":null,"reason":"peer_closed","kind":"peer","error":null,"detail":"why",)"),
              std::string::npos);
    life.error = 4095;
    EXPECT_NE(render_closed({1, {life}}).find(R"("error":"errno 4095")"), std::string::npos);
    life.observed = false;
    EXPECT_NE(
        render_life(life).find(R"("evidence":null,"items":null,"bytes_in":null,"bytes_out":null,"duration_s":null,)"
                               R"("connected_at":"2026-11-22T07:58:58.723Z")"),
        std::string::npos);
}

TEST(Render, Probes) {
    EXPECT_EQ(render_probe({{1, 2}, true, 3ms, 4ms, 310us}),
              R"({"conn":"1-2","alive":true,"waited_ms":3,"last_heard_ms":4,"rtt_us":310})");
    EXPECT_EQ(render_probes({3, 2, {{1, 2}}, 2s}),
              R"({"asked":3,"alive":2,"silent":1,"silent_connections":["1-2"],"waited_ms":2000})");
}

ServerStatus two_listeners() {
    ServerStatus status = FakeControlPlane().status();
    status.listeners.push_back(status.listeners.front());
    status.listeners[1].name = "others";
    status.listeners[1].plan = plan_liveness(90s).value();
    std::uint64_t n = 1;
    for (ListenerStatus& one : status.listeners) {
        one.connections = n++;
        one.accepted = n++;
        one.opening = n++;
        one.health_checks = n++;
        one.refused[0] = n++;
        one.refused_descriptors = n++;
        for (auto& count : one.closed) count = n++;
        one.items = n++;
        for (auto& count : one.bad_items) count = n++;
        one.identified = n++;
        one.acks = n++;
        one.repeated_items = n++;
        one.gaps = n++;
        one.unfinished_items = n++;
        one.left_over_bytes = n++;
        one.bytes_in = n++;
        one.bytes_out = n++;
    }
    return status;
}

TEST(Render, StatusSumsItsListeners) {
    const ServerStatus status = two_listeners();
    simdjson::dom::parser parser;
    const auto root = parser.parse(simdjson::padded_string(render_status(status, nullptr, 42)));
    const auto number = [](simdjson::simdjson_result<simdjson::dom::element> value) {
        return value.get_uint64().value();
    };
    for (const char* path :
         {"/connections", "/accepted", "/opening", "/health_checks", "/refused/max_connections", "/refused/descriptors",
          "/items", "/identified", "/acks", "/repeated_items", "/gaps", "/unfinished_items", "/left_over_bytes",
          "/received_bytes", "/sent_bytes", "/closed/peer_closed", "/closed/internal_error", "/bad_items/not_json",
          "/bad_items/too_large"}) {
        const auto first = number(root.at_pointer("/listeners/0" + std::string(path)));
        const auto second = number(root.at_pointer("/listeners/1" + std::string(path)));
        EXPECT_NE(first, second) << path;
        EXPECT_EQ(number(root.at_pointer(path)), first + second) << path;
    }
    EXPECT_EQ(root.at_pointer("/closed").get_object().value().size(), close_reason_count);
    EXPECT_EQ(root["pid"].get_int64().value(), 42);
    EXPECT_TRUE(root["sink"].is_null());
    EXPECT_EQ(root["detect_within"].get_string().value(), "30s");
    EXPECT_EQ(number(root["detect_within_ms"]), 30'000U);
    EXPECT_EQ(root.at_pointer("/listeners/1/detect_within").get_string().value(), "90s");
    EXPECT_EQ(root.at_pointer("/plan/count").get_int64().value(), status.listeners[0].plan.count);
}

TEST(Render, StatusSaysAllOfTheGateway) {
    ServerStatus status = FakeControlPlane().status();
    status.uptime = 1'500ms;
    status.started_at = at(1795334400123);
    status.reactors = 2;
    status.max_connections = 20'000;
    status.reading_paused = true;
    status.draining = true;
    status.probes_alive = 8;
    status.probes_silent = 9;
    status.events = 10;
    status.stale_commands = 11;
    const SinkStatus sink{"file", 12, 13, 14, true, "no space"};
    const std::string json = render_status(status, &sink, 42);
    EXPECT_TRUE(json.starts_with(R"({"version":")" + std::string(version()) +
                                 R"(","pid":42,"started_at":"2026-11-22T08:00:00.123Z","uptime_s":1.5,"reactors":2,)"
                                 R"("max_connections":20000,"draining":true,"reading_paused":true,)"
                                 R"("probes":{"alive":8,"silent":9},"asked_ahead":0,"stale_commands":11,"events":10,)"
                                 R"("buffers":{"bytes":0,"budget":0,"stage":0,"exhausted":0},"accept_paused":false,)"))
        << json;
    EXPECT_NE(
        json.find(R"("turns":[],)"
                  R"("sink":{"type":"file","events":12,"lag_events":13,"bytes":14,"full":true,"error":"no space"},)"),
        std::string::npos)
        << json;
    EXPECT_EQ(json.find("alarms_active"), std::string::npos);
    WatchStatus watch;
    watch.alarms_active = {1, 0, 2};
    EXPECT_NE(
        render_status(status, &sink, 42, &watch).find(R"("turns":[],"alarms_active":3,"registry_drift":null,"sink")"),
        std::string::npos);
    watch.registry_drift = 4;
    EXPECT_NE(render_status(status, &sink, 42, &watch).find(R"("registry_drift":4,)"), std::string::npos);
}

TEST(Render, StatusSaysAllOfTheSpool) {
    SinkStatus sink{.type = "spool"};
    sink.spool = {.id = "00112233aabbccdd",
                  .first = 5,
                  .last = 100,
                  .waiting_bytes = 7,
                  .commits = 8,
                  .file_bytes = 9,
                  .quarantined_rows = 1,
                  .quarantined_events = 3,
                  .read_error = "EIO",
                  .read_errors = 21,
                  .oldest = 2'500ms,
                  .sessions = {.authenticated = 11,
                               .unauthenticated = 12,
                               .evicted_authenticated = 14,
                               .evicted_unauthenticated = 15,
                               .replaced = 16,
                               .max = 13},
                  .groups = {{.name = "billing", .position = 90, .required = true, .lag_events = 10}},
                  .gateway_lost = 4};
    EXPECT_NE(
        render_status(FakeControlPlane().status(), &sink, 42)
            .find(
                R"("error":null,"spool":{"id":"00112233aabbccdd","first_position":5,"last_position":100,)"
                R"("waiting_bytes":7,"commits":8,"file_bytes":9,"oldest_s":2.5,"quarantined_rows":1,)"
                R"("quarantined_events":3,"read_errors":21,"read_error":"EIO","gateway_lost":4,"sessions":{"authenticated":11,"unauthenticated":12,"max":13,)"
                R"("evicted_authenticated":14,"evicted_unauthenticated":15,"replaced":16},"groups":[{"name":"billing","position":90,"lag_events":10,)"
                R"("required":true}]})"),
        std::string::npos);
}

}  // namespace
}  // namespace holdfast
