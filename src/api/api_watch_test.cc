#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_watch_view.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

class ApiWatchTest : public testing::Test {
protected:
    ApiAnswer get(std::string_view target) { return api_.answer({"GET", target}); }
    ApiAnswer post(std::string_view target) { return api_.answer({"POST", target}); }

    void expect_error(const ApiAnswer& answer, int status, std::string_view code) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    }

    FakeControlPlane gateway_;
    FakeWatchView watch_;
    EventHub hub_;
    ReloadResult reloaded_;
    Api api_{gateway_, {.watch = &watch_, .hub = &hub_, .reload = [this] { return reloaded_; }}};
    Api bare_{gateway_, {}};
};

TEST_F(ApiWatchTest, TrendHandsTheQueryOn) {
    EXPECT_EQ(get("/v1/trend").body, R"({"window_s":3600,"step_s":1,"points":[]})");
    EXPECT_EQ(get("/v1/trend?window=5m&step=10s&listener=devices").body, R"({"window_s":300,"step_s":10,"points":[]})");
    ASSERT_EQ(watch_.queries.size(), 2U);
    EXPECT_EQ(watch_.queries[0].step, 0s);
    EXPECT_EQ(watch_.queries[0].listener, std::nullopt);
    EXPECT_EQ(watch_.queries[1].window, 300s);
    EXPECT_EQ(watch_.queries[1].step, 10s);
    EXPECT_EQ(watch_.queries[1].listener, "devices");
    for (const char* query : {"window=0s", "window=49h", "window=500ms", "window=1500ms", "window=-1h",
                              "window=", "window=1h&window=2h", "step=0s", "step=x", "step=72h", "steps=1s"}) {
        expect_error(get("/v1/trend?" + std::string(query)), 400, "bad_query");
    }
    expect_error(get("/v1/trend?listener=nobody"), 404, "not_found");
    EXPECT_EQ(watch_.queries.size(), 2U);
}

TEST_F(ApiWatchTest, Alarms) {
    EXPECT_EQ(get("/v1/alarms").body, R"({"total":0,"active":[],"recent":[]})");
    watch_.board.active.push_back(example_alarm());
    EXPECT_THAT(get("/v1/alarms").body, StartsWith(R"({"total":1,"active":[{"id":1,"alarm":"population_drop",)"));
    EXPECT_THAT(get("/v1/status").body, HasSubstr(R"("alarms_active":1,"registry_drift":null,)"));
    EXPECT_THAT(get("/metrics").body, HasSubstr("holdfast_alarm_active{alarm=\"population_drop\"} 1\n"));
    expect_error(get("/v1/alarms?kind=x"), 400, "bad_query");
}

TEST_F(ApiWatchTest, AnAlarmWithItsMembers) {
    watch_.board.recent.push_back(example_alarm());
    watch_.members = example_members();
    EXPECT_THAT(get("/v1/alarms/1").body, StartsWith(R"({"id":1,"alarm":"population_drop",)"));
    EXPECT_THAT(get("/v1/alarms/1").body, HasSubstr(R"("members":{"total":4100,"listed":2,"back":1,"matching":2,)"));
    EXPECT_THAT(get("/v1/alarms/1?state=back&limit=1").body, HasSubstr(R"("matching":1,"rows":[{"id":"=1)"));
    EXPECT_THAT(get("/v1/alarms/1?offset=1&state=missing").body, HasSubstr(R"("matching":1,"rows":[]}})"));
    for (const char* id : {"2", "x", "1x", "-1", "18446744073709551616"}) {
        expect_error(get("/v1/alarms/" + std::string(id)), 404, "not_found");
        expect_error(get("/v1/alarms/" + std::string(id) + "/members"), 404, "not_found");
    }
    expect_error(get("/v1/alarms/1?state=x"), 400, "bad_query");
    expect_error(bare_.answer({"GET", "/v1/alarms/1"}), 404, "not_found");
}

TEST_F(ApiWatchTest, MembersAreExportedAsAFile) {
    watch_.board.recent.push_back(example_alarm());
    watch_.members = example_members();
    const ApiAnswer csv = get("/v1/alarms/1/members?format=csv");
    EXPECT_THAT(csv.type, StartsWith("text/csv"));
    EXPECT_THAT(csv.headers, Contains(Pair("Content-Disposition", R"(attachment; filename="holdfast-alarm-1.csv")")));
    EXPECT_THAT(csv.body, StartsWith("id,peer,key,conn,at,reason,back\r\n,10.2.0.9:5001,"));
    const ApiAnswer json = get("/v1/alarms/1/members?state=missing");
    EXPECT_EQ(json.type, "application/json");
    EXPECT_THAT(json.headers, Contains(Pair("Content-Disposition", R"(attachment; filename="holdfast-alarm-1.json")")));
    EXPECT_THAT(json.body, HasSubstr(R"("matching":1,"rows":[{"id":null,)"));
    expect_error(get("/v1/alarms/1/members?format=xml"), 400, "bad_query");
}

TEST_F(ApiWatchTest, AnAlarmIsAcknowledgedWithANote) {
    watch_.board.active.push_back(example_alarm());
    const std::string path = "/v1/alarms/1/acknowledgement";
    const auto note = [&](std::string_view body, std::string_view of = "") {
        return api_.answer({"POST", of.empty() ? path : of, body});
    };
    EXPECT_EQ(note(R"({"note":"Anna: the router"})").body, R"({"id":1,"acknowledged":true})");
    EXPECT_THAT(get("/v1/alarms").body,
                HasSubstr(R"("acknowledged":{"at":"2026-11-22T08:00:00.123Z","note":"Anna: the router"})"));
    EXPECT_EQ(api_.answer({"DELETE", path}).body, R"({"id":1,"acknowledged":false})");
    EXPECT_THAT(get("/v1/alarms").body, HasSubstr(R"("acknowledged":null)"));
    expect_error(note(R"({"note":""})"), 400, "bad_order");
    expect_error(note(R"({"note":")" + std::string(501, 'x') + R"("})"), 400, "bad_order");
    expect_error(note("{}"), 400, "bad_order");
    expect_error(note(R"({"note":"x"})", "/v1/alarms/2/acknowledgement"), 404, "not_found");
}

TEST_F(ApiWatchTest, Reconciliation) {
    expect_error(get("/v1/reconciliation"), 404, "not_found");
    watch_.next.registry = 5;
    watch_.next.ghosts = 2;
    EXPECT_THAT(post("/v1/reconciliation").body, HasSubstr(R"("registry":5,"kernel":0,"drift":2,)"));
    EXPECT_EQ(get("/v1/reconciliation").body, post("/v1/reconciliation").body);
    EXPECT_THAT(get("/v1/status").body, HasSubstr(R"("registry_drift":2,)"));
    watch_.latest->error = "no netlink";
    EXPECT_THAT(get("/v1/status").body, HasSubstr(R"("registry_drift":null,)"));
    expect_error(post("/v1/reconciliation?x=1"), 400, "bad_query");
    expect_error(api_.answer({"DELETE", "/v1/reconciliation"}), 405, "method_not_allowed");
}

TEST_F(ApiWatchTest, Reload) {
    reloaded_.applied = {"log.level is now debug"};
    reloaded_.needs_restart = {"reactors"};
    EXPECT_EQ(post("/v1/reload").body,
              R"({"applied":["log.level is now debug"],"needs_restart":["reactors"],"warnings":[]})");
    reloaded_.errors = {"x.toml:3: no", "x.toml:4: nor this"};
    const ApiAnswer bad = post("/v1/reload");
    expect_error(bad, 422, "bad_config");
    EXPECT_THAT(bad.body, HasSubstr(R"("message":"x.toml:3: no","details":["x.toml:3: no","x.toml:4: nor this"])"));
    expect_error(get("/v1/reload"), 405, "method_not_allowed");
}

TEST_F(ApiWatchTest, WhatIsNotThereIsSaidSo) {
    for (const char* target : {"/v1/trend", "/v1/alarms", "/v1/reconciliation", "/v1/events"}) {
        expect_error(bare_.answer({"GET", target}), 404, "not_found");
    }
    expect_error(bare_.answer({"POST", "/v1/reconciliation"}), 404, "not_found");
    expect_error(bare_.answer({"POST", "/v1/reload"}), 409, "no_reload");
    EXPECT_EQ(bare_.open_feed({"GET", "/v1/events"}), nullptr);
}

TEST_F(ApiWatchTest, AFeedSubscribesToTheRequestedKinds) {
    const auto wanted = [&](std::string_view target) {
        EventHub hub;
        Api api(gateway_, {.hub = &hub});
        const auto feed = api.open_feed({"GET", target});
        std::string words;
        for (const FeedKind kind : all_feed_kinds) words += hub.wanted(kind) ? std::string(to_string(kind)) + " " : "";
        return words;
    };
    EXPECT_EQ(wanted("/v1/events"), "sample alarm connected closed ");
    EXPECT_EQ(wanted("/v1/events?kinds=item"), "item ");
    EXPECT_EQ(wanted("/v1/events?kinds=item,sample,item"), "sample item ");
    for (const char* query : {"kinds=", "kinds=skipped", "kinds=item,", "kinds=items", "kind=item", "kinds=a%0Ab"}) {
        EXPECT_EQ(wanted("/v1/events?" + std::string(query)), "");
        expect_error(get("/v1/events?" + std::string(query)), 400, "bad_query");
    }
    EXPECT_THAT(get("/v1/events?kinds=items").body, HasSubstr("sample, alarm, connected, closed, item"));
    EXPECT_EQ(api_.open_feed({"HEAD", "/v1/events"}), nullptr);
    EXPECT_EQ(api_.open_feed({"POST", "/v1/events"}), nullptr);
    EXPECT_EQ(api_.open_feed({"GET", "/v1/status"}), nullptr);
    EXPECT_EQ(api_.answer({"HEAD", "/v1/events"}).type, "text/event-stream");
}

TEST_F(ApiWatchTest, MoreFeedsThanTheHubTakesAreTurnedAway) {
    std::vector<std::unique_ptr<EventHub::Subscription>> feeds;
    while (auto feed = api_.open_feed({"GET", "/v1/events"})) feeds.push_back(std::move(feed));
    EXPECT_EQ(feeds.size(), EventHub::max_subscribers);
    expect_error(get("/v1/events"), 503, "too_busy");
}

class AssetsTest : public testing::Test {
protected:
    static std::optional<Asset> find(std::string_view path) {
        if (path == "/") return Asset{"<html>", "text/html; charset=utf-8", "\"1a\""};
        if (path == "/dashboard/app.js") return Asset{"go()", "text/javascript", "\"2b\""};
        return std::nullopt;
    }
    ApiAnswer get(std::string_view target, std::string_view if_none_match = {}) {
        return api_.answer({"GET", target, {}, if_none_match});
    }

    FakeControlPlane gateway_;
    Api api_{gateway_, {.assets = find}};
};

TEST_F(AssetsTest, AreServedWithTheirTypeAndTheirTag) {
    const ApiAnswer page = get("/?from=mail");
    EXPECT_EQ(page.body, "<html>");
    EXPECT_EQ(page.type, "text/html; charset=utf-8");
    EXPECT_THAT(page.headers, testing::IsSupersetOf({Pair("ETag", "\"1a\""), Pair("Cache-Control", "no-cache")}));
    EXPECT_THAT(page.headers,
                testing::Contains(Pair("Content-Security-Policy",
                                       "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
                                       "frame-ancestors 'none'")));
    EXPECT_EQ(get("/dashboard/app.js").type, "text/javascript");
    EXPECT_THAT(get("/v1").body, StartsWith("holdfast admin API"));
    for (const char* target : {"/dashboard", "/dashboard/nope.js", "/dashboard/../v1", "/dashboard/%2e%2e/app.js"}) {
        EXPECT_EQ(get(target).status, 404) << target;
    }
    EXPECT_EQ(api_.answer({"POST", "/"}).status, 405);
}

TEST_F(AssetsTest, WhatTheClientHasIsNotSentAgain) {
    for (const char* tags : {"\"2b\"", "W/\"2b\"", "\"1a\", \"2b\"", "\"2b\", \"1a\"", "*"}) {
        const ApiAnswer answer = get("/dashboard/app.js", tags);
        EXPECT_EQ(answer.status, 304) << tags;
        EXPECT_EQ(answer.body, "");
        EXPECT_THAT(answer.headers, testing::Contains(Pair("Content-Length", "4")));
    }
    for (const char* tags : {"\"1a\"", "2b", "\"2b\"x", ""})
        EXPECT_EQ(get("/dashboard/app.js", tags).status, 200) << tags;
}

}  // namespace
}  // namespace holdfast
