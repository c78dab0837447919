#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "api/render.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* device = "/v1/devices/van%2017%2f%22";  // van 17/"

class ApiDevices : public testing::Test {
protected:
    ApiDevices() {
        gateway_.row.id = "van 17/\"";
        gateway_.row.session = "boot-42";
    }
    ApiAnswer request(std::string_view method, const std::string& target, std::string_view body = {}) {
        return api_.answer({.method = method, .target = target, .body = body});
    }
    void expect_error(const ApiAnswer& answer, int status, std::string_view code) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    }

    FakeControlPlane gateway_;
    std::vector<DeviceQuestion::Kind> queries_elsewhere_;
    std::optional<ApiAnswer> from_elsewhere_;
    Api api_{gateway_, {.max_message_bytes = 100, .elsewhere = [this](const DeviceQuestion& question) {
                            queries_elsewhere_.push_back(question.kind);
                            return from_elsewhere_;
                        }}};
};

TEST_F(ApiDevices, ItsLivingConnectionIsShown) {
    const ApiAnswer answer = request("GET", device);
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, HasSubstr(R"("peer":"10.2.0.9:51514","id":"van 17/\"","session":"boot-42","key":)"));
    EXPECT_THAT(answer.body, HasSubstr(R"("liveness":"device","authenticated":false)"));
    EXPECT_THAT(answer.body, HasSubstr(R"("evidence":{)"));
    EXPECT_TRUE(queries_elsewhere_.empty());
    expect_error(request("GET", "/v1/devices/nobody"), 404, "not_found");
    EXPECT_THAT(request("GET", "/v1/devices/nobody").body,
                HasSubstr("is unknown: the gateway has no connection of it"));
    expect_error(request("GET", std::string(device) + "?x=1"), 400, "bad_query");
}

TEST_F(ApiDevices, AMessageSaysHowFarItGot) {
    const std::string target = std::string(device) + "/messages";
    const ApiAnswer acked = request("POST", target + "?wait=2s", R"({"cmd": "reboot"})");
    EXPECT_EQ(acked.status, 200);
    EXPECT_EQ(acked.body, R"({"id":"van 17/\"","conn":"7f2c91a0-1","result":"acked"})");
    EXPECT_EQ(gateway_.last_timeout, 2s);
    gateway_.alive = false;
    const ApiAnswer sent = request("POST", target, "{}");
    EXPECT_EQ(sent.status, 202);
    EXPECT_THAT(sent.body, HasSubstr(R"("result":"sent")"));
    EXPECT_EQ(gateway_.last_timeout, 300ms);
    EXPECT_THAT(gateway_.sent, ElementsAre(R"({"cmd":"reboot"})", "{}"));
    gateway_.full = true;
    expect_error(request("POST", target, "{}"), 429, "queue_full");
    gateway_.full = false;
    gateway_.unencodable = true;
    expect_error(request("POST", target, "{}"), 422, "unencodable");
    expect_error(request("POST", target, "[]"), 400, "not_object");
    expect_error(request("POST", target, std::string(200, ' ')), 413, "too_large");
    expect_error(request("POST", target + "?wait=1h", "{}"), 400, "bad_query");
    expect_error(request("POST", "/v1/devices/nobody/messages", "{}"), 404, "not_found");
}

TEST_F(ApiDevices, ItIsProbedAndClosed) {
    const ApiAnswer answer = request("POST", std::string(device) + "/probe?timeout=1s");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, StartsWith(R"({"id":"van 17/\"","conn":"7f2c91a0-1","alive":true,)"));
    EXPECT_EQ(request("DELETE", device).body, R"({"id":"van 17/\"","conn":"7f2c91a0-1","closed":true})");
    expect_error(request("POST", "/v1/devices/nobody/probe"), 404, "not_found");
    expect_error(request("DELETE", "/v1/devices/nobody"), 404, "not_found");
    expect_error(request("POST", device), 405, "method_not_allowed");
}

TEST_F(ApiDevices, RequestsForOtherDevicesAreForwarded) {
    using Kind = DeviceQuestion::Kind;
    from_elsewhere_ = ApiAnswer{.body = R"({"from":"afar"})"};
    EXPECT_THAT(request("GET", "/v1/devices/far").body, StartsWith(R"({"from":"afar","state":"online",)"));
    EXPECT_EQ(request("POST", "/v1/devices/far/messages", "{}").body, from_elsewhere_->body);
    EXPECT_EQ(request("POST", "/v1/devices/far/probe").body, from_elsewhere_->body);
    EXPECT_EQ(request("DELETE", "/v1/devices/far").body, from_elsewhere_->body);
    EXPECT_THAT(queries_elsewhere_, ElementsAre(Kind::show, Kind::send, Kind::probe, Kind::close));
    EXPECT_TRUE(gateway_.sent.empty());
}

ClosedLife life_of(const std::string& id, std::uint64_t number) {
    ClosedLife life;
    life.conn = {0x7f2c91a0, number};
    life.id = id;
    life.at = EventTime(1'795'334'400'123ms) + std::chrono::seconds(number);
    life.duration = 1s;
    return life;
}

TEST_F(ApiDevices, ThePageHasItsEarlierConnections) {
    gateway_.lives = {life_of("van 17/\"", 2)};
    EXPECT_THAT(request("GET", device).body, HasSubstr(R"("state":"online","total":1,"lives":[{"conn":"7f2c91a0-2",)"));
    gateway_.lives = {life_of("gone", 3)};
    const ApiAnswer gone = request("GET", "/v1/devices/gone");
    EXPECT_EQ(gone.status, 200);
    EXPECT_THAT(gone.body, StartsWith(R"({"id":"gone","state":"closed","total":1,"lives":[{"conn":"7f2c91a0-3",)"));
    EXPECT_THAT(gone.body, HasSubstr(R"("connected_at":"2026-11-22T08:00:02.123Z","at":"2026-11-22T08:00:03.123Z")"));
    EXPECT_EQ(gone.body.find("silent_gateways"), std::string::npos);
    expect_error(request("GET", "/v1/devices/go"), 404, "not_found");
}

TEST_F(ApiDevices, AnIdWithAFinalStarIsNoPattern) {
    gateway_.lives = {life_of("a*", 2), life_of("ab", 3)};
    EXPECT_THAT(request("GET", "/v1/devices/a*").body,
                StartsWith(R"({"id":"a*","state":"closed","total":1,"lives":[)"));
    EXPECT_THAT(request("GET", "/v1/closed?id=a*").body, HasSubstr(R"("total":2)"));
}

TEST_F(ApiDevices, ConnectionsOfAllGatewaysAreInOneOrder) {
    gateway_.lives = {life_of("d", 5), life_of("d", 1)};
    ClosedPage west{.total = 7, .lives = {life_of("d", 3)}};
    ClosedQuery passed;
    Api api(gateway_, {.lives_elsewhere = [&](const ClosedQuery& query) {
                passed = query;
                return std::vector<LivesOfGateway>{{"west", render_closed(west)}, {"mid", std::nullopt}, {"odd", "[]"}};
            }});
    const ApiAnswer answer = api.answer({.method = "GET", .target = "/v1/closed?id=d&limit=2&offset=1"});
    EXPECT_THAT(answer.body, StartsWith(R"({"total":9,"closed":[{"gateway":"west","conn":"7f2c91a0-3",)"));
    EXPECT_THAT(answer.body, HasSubstr(R"(},{"conn":"7f2c91a0-1",)"));
    EXPECT_THAT(answer.body, testing::EndsWith(R"(],"silent_gateways":["mid","odd"]})"));
    EXPECT_EQ(passed.limit, 3U);
    EXPECT_EQ(passed.offset, 0U);
}

TEST(ClosedTarget, IsReadBackUnchanged) {
    ClosedQuery query;
    query.reason = CloseReason::peer_reset;
    query.peer = parse_prefix("10.2.0.0/16").value();
    query.id = "shop 1/*";
    query.since = EventTime(1'795'334'400'123ms);
    query.limit = 7;
    query.offset = 9;
    const auto read = read_closed_target(closed_target(query));
    ASSERT_TRUE(read);
    EXPECT_EQ(closed_target(*read), closed_target(query));
    EXPECT_EQ(read->since, query.since);
    EXPECT_EQ(read->id, query.id);
    EXPECT_FALSE(read_closed_target("/v1/closed?reason=none"));
    EXPECT_FALSE(read_closed_target(""));
}

TEST_F(ApiDevices, ListAndLastLivesAreFoundByIt) {
    (void)request("GET", "/v1/connections?id=van%2017");
    EXPECT_EQ(gateway_.last_list.id, "van 17");
    ClosedLife& life = gateway_.lives.emplace_back();
    life.id = "van 17";
    EXPECT_THAT(request("GET", "/v1/closed?id=van+17").body, HasSubstr(R"(,"id":"van 17","key":null)"));
    EXPECT_EQ(gateway_.last_closed.id, "van 17");
}

using namespace std::chrono_literals;
using testing::HasSubstr;

class ApiDrainTest : public testing::Test {
protected:
    ApiAnswer request(std::string_view method, std::string_view target, std::string_view body = {}) {
        return api_.answer({method, target, body});
    }
    DrainOrder order_of(std::string_view body) {
        EXPECT_EQ(request("POST", "/v1/drain", body).status, 202) << body;
        return gateway_.now.drain->order;
    }
    FakeControlPlane gateway_;
    Api api_{gateway_, {}};
};

TEST_F(ApiDrainTest, WithoutABodyEverythingHasItsDefault) {
    const DrainOrder order = order_of("");
    EXPECT_EQ(order.over, 2min);
    EXPECT_TRUE(order.goodbye);
    EXPECT_TRUE(order.is_of_all());
    EXPECT_EQ(order.come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, EveryFieldIsRead) {
    const DrainOrder order =
        order_of(R"({"over":"90s","peer":"10.2.0.0/16","listener":"devices","goodbye":false,"come_back":"later"})");
    EXPECT_EQ(order.over, 90s);
    EXPECT_EQ(to_string(*order.peer), "10.2.0.0/16");
    EXPECT_EQ(order.listener, "devices");
    EXPECT_FALSE(order.goodbye);
    EXPECT_EQ(order.come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, APartIsWelcomeBackAtOnce) {
    EXPECT_EQ(order_of(R"({"peer":"10.2.0.0/16"})").come_back, ComeBack::at_once);
    EXPECT_EQ(order_of(R"({"listener":"a"})").come_back, ComeBack::at_once);
    EXPECT_EQ(order_of(R"({"over":"1s"})").come_back, ComeBack::later);
}

TEST_F(ApiDrainTest, BeginsShowsAndCancels) {
    EXPECT_EQ(request("GET", "/v1/drain").status, 404);
    EXPECT_EQ(request("DELETE", "/v1/drain").status, 404);
    EXPECT_EQ(request("GET", "/readyz").status, 200);
    const ApiAnswer begun = request("POST", "/v1/drain", R"({"over":"90s"})");
    EXPECT_EQ(begun.status, 202);
    EXPECT_EQ(
        begun.body,
        R"({"out_of_service":true,"drain":{"state":"running","began_at":"1970-01-01T00:00:00.000Z","over":"90s","over_ms":90000,"peer":null,"listener":null,"goodbye":true,"come_back":"later","found":0,"ended":0,"gone":0,"left":0}})");
    EXPECT_EQ(request("GET", "/v1/drain").body, begun.body);
    EXPECT_THAT(request("GET", "/v1/status").body, HasSubstr(R"("out_of_service":true,"drain":{"state":"running")"));
    EXPECT_EQ(request("GET", "/readyz").status, 503);
    EXPECT_THAT(request("GET", "/readyz").body, HasSubstr("\"out_of_service\""));
    EXPECT_EQ(request("GET", "/healthz").status, 200);
    EXPECT_THAT(request("DELETE", "/v1/drain").body,
                HasSubstr(R"("out_of_service":false,"drain":{"state":"cancelled")"));
    EXPECT_EQ(request("GET", "/readyz").status, 200);
}

TEST_F(ApiDrainTest, RefusesWhatIsWrong) {
    EXPECT_EQ(request("POST", "/v1/drain", "{\"over\":1}").status, 400);
    EXPECT_EQ(request("POST", "/v1/drain?over=2m").status, 400);
    gateway_.now.draining = true;
    const ApiAnswer answer = request("POST", "/v1/drain");
    EXPECT_EQ(answer.status, 409);
    EXPECT_THAT(answer.body, HasSubstr("stopping"));
}

TEST_F(ApiDrainTest, StatusSaysThatNothingWasDrained) {
    EXPECT_THAT(request("GET", "/v1/status").body, HasSubstr(R"("out_of_service":false,"drain":null)"));
}

}  // namespace

}  // namespace holdfast
