#include "api/api.h"

#include <condition_variable>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* known = "/v1/connections/7f2c91a0-1";
constexpr const char* unknown = "/v1/connections/7f2c91a0-2";

class ApiTest : public testing::Test {
protected:
    ApiAnswer request(std::string_view method, std::string_view target, std::string_view body = {}) {
        return api_.answer({method, target, body});
    }
    ApiAnswer get(std::string_view target) { return request("GET", target); }
    ApiAnswer post(std::string_view target, std::string_view body = {}) { return request("POST", target, body); }

    void expect_error(const ApiAnswer& answer, int status, std::string_view code) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
        EXPECT_EQ(answer.type, "application/json");
    }

    FakeControlPlane gateway_;
    SinkStatus sink_{"stdout", 1, 2, 3, false, ""};
    std::string not_ready_;
    Api api_{gateway_,
             {.max_message_bytes = 100, .sink = [this] { return sink_; }, .not_ready = [this] { return not_ready_; }}};
};

TEST_F(ApiTest, IndexNamesEveryPath) {
    EXPECT_EQ(get("/").body, get("/v1").body);  // until there is a dashboard
    const ApiAnswer answer = get("/v1");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.type, StartsWith("text/plain"));
    for (const char* path : {"/healthz", "/readyz", "/metrics", "/v1/status", "/v1/connections", "/v1/connections/{id}",
                             "/v1/connections/{id}/probe", "/v1/connections/{id}/messages", "/v1/probe", "/v1/closed",
                             "/v1/devices/{id}", "/v1/devices/{id}/probe", "/v1/devices/{id}/messages", "/v1/trend",
                             "/v1/alarms", "/v1/events", "/v1/reconciliation", "/v1/reload"}) {
        EXPECT_THAT(answer.body, HasSubstr(std::string(path))) << path;
    }
}

TEST_F(ApiTest, HealthFollowsTheSink) {
    EXPECT_EQ(get("/healthz").body, R"({"status":"ok"})");
    sink_.error = "No space left on device";
    const ApiAnswer answer = get("/healthz");
    expect_error(answer, 503, "sink_error");
    EXPECT_THAT(answer.body, HasSubstr("No space left on device"));
}

TEST_F(ApiTest, ReadinessFollowsTheSink) {
    sink_.error = "No space left on device";
    expect_error(get("/readyz"), 503, "sink_error");
    EXPECT_THAT(get("/readyz").body, HasSubstr("No space left on device"));
    sink_.error.clear();
    EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(ApiTest, HealthFollowsTheReactors) {
    std::string hanging;
    Api api(gateway_, {.hangs = [&hanging] { return hanging; }});
    EXPECT_EQ(api.answer({.method = "GET", .target = "/healthz"}).status, 200);
    hanging = "a reactor has not turned for 12s";
    const ApiAnswer answer = api.answer({.method = "GET", .target = "/healthz"});
    expect_error(answer, 503, "hangs");
    EXPECT_THAT(answer.body, HasSubstr(hanging));
}

TEST_F(ApiTest, ReadinessSaysWhyNot) {
    EXPECT_EQ(get("/readyz").status, 200);
    not_ready_ = "the sink is opening";
    expect_error(get("/readyz"), 503, "not_ready");
    EXPECT_THAT(get("/readyz").body, HasSubstr("the sink is opening"));
    gateway_.now.listeners.front().accept_paused = true;
    EXPECT_THAT(get("/readyz").body, HasSubstr("descriptors"));
    gateway_.now.draining = true;
    EXPECT_THAT(get("/readyz").body, HasSubstr("is stopping"));
    EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiTest, MetricsAndStatus) {
    EXPECT_EQ(get("/metrics").type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_THAT(get("/metrics").body, HasSubstr("holdfast_sink_lag_events 2\n"));
    EXPECT_THAT(get("/v1/status").body, HasSubstr(R"("sink":{"type":"stdout",)"));
}

TEST_F(ApiTest, ListHandsTheQueryOn) {
    const ApiAnswer answer = get("/v1/connections?peer=10.2.0.0/16&sort=peer&order=desc&limit=3");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, StartsWith(R"({"total":1,"connections":[{"conn":"7f2c91a0-1",)"));
    EXPECT_EQ(gateway_.last_list.peer, parse_prefix("10.2.0.0/16").value());
    EXPECT_EQ(gateway_.last_list.sort, ConnectionSort::peer);
    EXPECT_TRUE(gateway_.last_list.reverse);
    EXPECT_EQ(gateway_.last_list.limit, 3U);
    expect_error(get("/v1/connections?limit=-1"), 400, "bad_query");
    expect_error(get("/v1/connections?nonsense=1"), 400, "bad_query");
}

TEST_F(ApiTest, Show) {
    EXPECT_THAT(get(known).body, HasSubstr(R"("evidence":{)"));
    expect_error(get(unknown), 404, "not_found");
    EXPECT_THAT(get(unknown).body, HasSubstr("/v1/closed"));
    for (const char* id : {"x", "%00", "7f2c91a0", "-1", "ffffffffffffffffffffffff-1", "7f2c91a0-11111111111111111",
                           "..", "%2e%2e%2fetc"}) {
        expect_error(get("/v1/connections/" + std::string(id)), 404, "not_found");
    }
    expect_error(get(std::string(known) + "?x=1"), 400, "bad_query");
}

TEST_F(ApiTest, Close) {
    EXPECT_EQ(request("DELETE", known).body, R"({"conn":"7f2c91a0-1","closed":true})");
    expect_error(request("DELETE", unknown), 404, "not_found");
    EXPECT_EQ(request("DELETE", "/v1/connections?peer=10.2.0.0/16").body, R"({"closed":7})");
    EXPECT_EQ(gateway_.last_peer, parse_prefix("10.2.0.0/16").value());
    expect_error(request("DELETE", "/v1/connections"), 400, "bad_query");
    expect_error(request("DELETE", "/v1/connections?peer="), 400, "bad_query");
    expect_error(request("DELETE", "/v1/connections?peer=10.2.0.0/16&all=true"), 400, "bad_query");
}

TEST_F(ApiTest, Probe) {
    EXPECT_EQ(post(std::string(known) + "/probe").body,
              R"({"conn":"7f2c91a0-1","alive":true,"waited_ms":3,"last_heard_ms":4,"rtt_us":310})");
    EXPECT_EQ(gateway_.last_timeout, 3s);
    EXPECT_EQ(post(std::string(known) + "/probe?timeout=500ms").status, 200);
    EXPECT_EQ(gateway_.last_timeout, 500ms);
    expect_error(post(std::string(known) + "/probe?timeout=1d"), 400, "bad_query");
    expect_error(post(std::string(unknown) + "/probe"), 404, "not_found");
    expect_error(post("/v1/connections/x/probe"), 404, "not_found");
}

TEST_F(ApiTest, ProbeAllNeedsOneSelection) {
    EXPECT_EQ(post("/v1/probe?peer=10.2.0.0/16").body,
              R"({"asked":3,"alive":2,"silent":1,"silent_connections":["7f2c91a0-1"],"waited_ms":2000})");
    EXPECT_TRUE(gateway_.last_peer.has_value());
    EXPECT_EQ(post("/v1/probe?all=true").status, 200);
    EXPECT_FALSE(gateway_.last_peer.has_value());
    for (const char* query : {"", "?all=false", "?all=true&peer=10.2.0.0/16", "?all=yes", "?peer=nonsense"}) {
        expect_error(post("/v1/probe" + std::string(query)), 400, "bad_query");
    }
}

TEST_F(ApiTest, TooManyProbesAtOnceAreTurnedAway) {
    std::mutex mutex;
    std::condition_variable changed;
    int inside = 0;
    bool released = false;
    gateway_.before_probe_all = [&] {
        std::unique_lock lock(mutex);
        ++inside;
        changed.notify_all();
        changed.wait(lock, [&] { return released; });
    };
    std::vector<std::jthread> askers;
    for (int i = 0; i < 4; ++i) {
        askers.emplace_back([&] { EXPECT_EQ(post("/v1/probe?all=true").status, 200); });
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == 4; });
    expect_error(post("/v1/probe?all=true"), 429, "too_many_probes");
    released = true;
    changed.notify_all();
    lock.unlock();
    askers.clear();
    gateway_.before_probe_all = nullptr;
    EXPECT_EQ(post("/v1/probe?all=true").status, 200);
}

TEST_F(ApiTest, Send) {
    const std::string path = std::string(known) + "/messages";
    const ApiAnswer answer = post(path, "{ \"cmd\" : 1 }\n");
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(answer.body, R"({"conn":"7f2c91a0-1","queued":true})");
    EXPECT_THAT(gateway_.sent, testing::ElementsAre(R"({"cmd":1})"));
    expect_error(post(path, ""), 400, "not_json");
    expect_error(post(path, "{\"a\":\"\xff\"}"), 400, "not_json");
    expect_error(post(path, "[]"), 400, "not_object");
    expect_error(post(path, std::string(101, ' ')), 413, "too_large");
    expect_error(post(std::string(unknown) + "/messages", "{}"), 404, "not_found");
    expect_error(post("/v1/connections/x/messages", "{}"), 404, "not_found");
    gateway_.full = true;
    expect_error(post(path, "{}"), 429, "queue_full");
    gateway_.full = false;
    gateway_.unencodable = true;
    expect_error(post(path, "{}"), 422, "unencodable");
    EXPECT_EQ(gateway_.sent.size(), 1U);
}

TEST_F(ApiTest, Closed) {
    gateway_.lives.emplace_back().reason = CloseReason::peer_reset;
    EXPECT_THAT(get("/v1/closed?reason=peer_reset&peer=10.0.0.0/8&limit=5&offset=1").body,
                HasSubstr(R"("reason":"peer_reset")"));
    EXPECT_EQ(gateway_.last_closed.reason, CloseReason::peer_reset);
    EXPECT_EQ(gateway_.last_closed.limit, 5U);
    EXPECT_EQ(gateway_.last_closed.offset, 1U);
    expect_error(get("/v1/closed?reason=unknown"), 400, "bad_query");
    expect_error(get("/v1/closed?sort=age"), 400, "bad_query");
}

TEST_F(ApiTest, UnknownPaths) {
    for (const char* target : {"/nope", "/dashboard", "/v2/status", "/v1/status/x", "/v1/connections/a/b",
                               "/v1/connections//probe", "//", "/V1/status", "/v1/connections/7f2c91a0-1/probe/x"}) {
        expect_error(get(target), 404, "not_found");
    }
    expect_error(get("/%zz"), 400, "bad_request");
    expect_error(get("/v1/connections?peer=%"), 400, "bad_request");
    expect_error(get("nonsense"), 400, "bad_request");
}

TEST_F(ApiTest, WrongMethodsSayWhatIsAllowed) {
    const auto allowed = [&](std::string_view method, std::string_view target) {
        const ApiAnswer answer = request(method, target);
        expect_error(answer, 405, "method_not_allowed");
        EXPECT_EQ(answer.headers.size(), 1U);
        EXPECT_EQ(answer.headers.at(0).first, "Allow");
        return answer.headers.at(0).second;
    };
    EXPECT_EQ(allowed("POST", "/v1/status"), "GET, HEAD");
    EXPECT_EQ(allowed("PUT", "/v1/connections"), "GET, HEAD, DELETE");
    EXPECT_EQ(allowed("GET", "/v1/probe"), "POST");
    EXPECT_EQ(allowed("HEAD", std::string(known) + "/messages"), "POST");
    EXPECT_EQ(allowed("OPTIONS", known), "GET, HEAD, DELETE");
    EXPECT_EQ(request("HEAD", "/v1/status").status, 200);
}

}  // namespace
}  // namespace holdfast
