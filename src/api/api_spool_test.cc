#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "api/api.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_spool.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

class ApiSpoolTest : public testing::Test {
protected:
    ApiAnswer request(std::string_view method, std::string_view target, std::string_view body = {}) {
        return api_.answer({method, target, body});
    }
    ApiAnswer get(std::string_view target) { return request("GET", target); }

    void expect_error(const ApiAnswer& answer, int status, std::string_view code) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    }

    FakeControlPlane gateway_;
    FakeSpool spool_;
    Api api_{gateway_, {.spool = &spool_}};
};

TEST_F(ApiSpoolTest, EventsAreByteForByte) {
    spool_.add(R"({"event":"item","item":{ "ip" : "1" ,"x":1.50}})");
    spool_.add(R"({"event":"closed"})");
    EXPECT_EQ(
        get("/v1/spool").body,
        R"({"after":0,"first":1,"last":2,"next_after":2,"newest":2,"missing":[],"events":[{"event":"item","item":{ "ip" : "1" ,"x":1.50}},{"event":"closed"}]})");
    EXPECT_EQ(get("/v1/spool?after=1&limit=1").body,
              R"({"after":1,"first":2,"last":2,"next_after":2,"newest":2,"missing":[],"events":[{"event":"closed"}]})");
    EXPECT_EQ(get("/v1/spool?after=2").body,
              R"({"after":2,"first":null,"last":null,"next_after":2,"newest":2,"missing":[],"events":[]})");
}

TEST_F(ApiSpoolTest, SaysWhatIsMissing) {
    for (int i = 0; i < 3; ++i) spool_.add("{}");
    spool_.lose(1, 2);
    EXPECT_EQ(
        get("/v1/spool").body,
        R"({"after":0,"first":3,"last":3,"next_after":3,"newest":3,"missing":[{"first":1,"last":2,"why":"damaged"}],"events":[{}]})");
}

TEST_F(ApiSpoolTest, RefusesWhatIsWrong) {
    for (const char* query : {"after=-1", "after=x", "limit=0", "limit=10001", "wait=31s", "wait=x", "since=1"}) {
        expect_error(get("/v1/spool?" + std::string(query)), 400, "bad_query");
    }
    Api bare(gateway_, {});
    expect_error(bare.answer({"GET", "/v1/spool"}), 409, "no_spool");
    expect_error(bare.answer({"GET", "/v1/spool/groups"}), 409, "no_spool");
    expect_error(bare.answer({"POST", "/v1/spool/groups/a", R"({"position":1})"}), 409, "no_spool");
    spool_.fail("the disk is gone: look at it");
    expect_error(get("/v1/spool"), 503, "spool_error");
}

TEST_F(ApiSpoolTest, Groups) {
    spool_.add("{}");
    spool_.add("{}");
    EXPECT_EQ(get("/v1/spool/groups").body, R"({"newest":2,"groups":[]})");
    EXPECT_EQ(request("POST", "/v1/spool/groups/billing", R"({"position":1})").body,
              R"({"name":"billing","position":1})");
    EXPECT_EQ(
        get("/v1/spool/groups").body,
        R"({"newest":2,"groups":[{"name":"billing","position":1,"lag_events":1,"required":false,"moved_at":null}]})");
    expect_error(request("POST", "/v1/spool/groups/billing", R"({"position":3})"), 409, "beyond_newest");
    for (const char* body : {"", "1", "{}", R"({"position":"1"})", R"({"position":-1})", R"({"position":1,"x":2})"}) {
        expect_error(request("POST", "/v1/spool/groups/billing", body), 400, "not_object");
    }
    for (const char* body : {R"({"position":1,"after":1})", R"({"position":1,"after":1,"consumer":""})",
                             R"({"position":1,"after":-1,"consumer":"a"})", R"({"position":1,"after":1,"who":"a"})"})
        expect_error(request("POST", "/v1/spool/groups/billing", body), 400, "not_object");
    expect_error(request("POST", "/v1/spool/groups/a%20b", R"({"position":1})"), 400, "bad_query");
    expect_error(request("DELETE", "/v1/spool/groups/nobody"), 404, "not_found");
    spool_.require("nats");
    expect_error(request("DELETE", "/v1/spool/groups/nats"), 409, "required");
    EXPECT_EQ(request("DELETE", "/v1/spool/groups/billing").body, R"({"name":"billing","removed":true})");
    expect_error(request("DELETE", "/v1/spool/groups/billing"), 404, "not_found");
}

TEST_F(ApiSpoolTest, WaitsForTheNextEvent) {
    std::thread later([this] { spool_.add(R"({"n":1})"); });
    EXPECT_THAT(get("/v1/spool?wait=30s").body, HasSubstr(R"("events":[{"n":1}])"));
    later.join();
    EXPECT_THAT(get("/v1/spool?after=1&wait=1ms").body, HasSubstr(R"("events":[])"));
}

TEST_F(ApiSpoolTest, AsManyMayWaitAsThereIsRoom) {
    Api crowded(gateway_, {.spool = &spool_, .wait_aside = [](const std::function<bool()>&) { return false; }});
    expect_error(crowded.answer({"GET", "/v1/spool?wait=30s"}), 429, "too_many_waiting");
}

/// More requests wait than there are admin threads. The server still answers every other request, and a stop ends the
/// waits.
TEST_F(ApiSpoolTest, WaitingRequestsBlockNoOthers) {
    auto server = AdminServer::start("127.0.0.1:0", gateway_, {.spool = &spool_}).value();
    std::vector<std::unique_ptr<RawClient>> waiting;
    for (int i = 0; i < 24; ++i) {
        waiting.push_back(std::make_unique<RawClient>(server->address().port));
        waiting.back()->send("GET /v1/spool?wait=30s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }
    const std::string status = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (int i = 0; i < 10; ++i) {
        RawClient other(server->address().port);
        EXPECT_THAT(other.send(status).read_all(), StartsWith("HTTP/1.1 200"));
    }
    spool_.add(R"({"n":1})");
    for (const auto& client : waiting) EXPECT_THAT(client->read_all(), HasSubstr(R"("events":[{"n":1}])"));
    RawClient last(server->address().port);
    last.send("GET /v1/spool?after=1&wait=30s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const auto began = std::chrono::steady_clock::now();
    server->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST_F(ApiSpoolTest, AGroupMovesForOneConsumerAtATime) {
    for (int n = 1; n <= 4; ++n) spool_.add("{}");
    const auto move = [&](int after, int position, const std::string& consumer) {
        return request("POST", "/v1/spool/groups/billing",
                       R"({"position":)" + std::to_string(position) + R"(,"after":)" + std::to_string(after) +
                           R"(,"consumer":")" + consumer + "\"}")
            .status;
    };
    EXPECT_EQ(move(0, 2, "a"), 200);
    EXPECT_EQ(move(0, 2, "a"), 200) << "the answer was lost, and it asks again";
    EXPECT_EQ(move(0, 2, "b"), 409) << "it has read what the other has read";
    EXPECT_EQ(move(0, 1, "b"), 409);
    EXPECT_EQ(move(0, 2, "a"), 200);
    EXPECT_EQ(move(2, 3, "b"), 200) << "it began where the other had come to";
    EXPECT_EQ(move(2, 4, "a"), 409);
    EXPECT_EQ(request("POST", "/v1/spool/groups/billing", R"({"position":1})").status, 200) << "an operator may";
    const ApiAnswer told = request("POST", "/v1/spool/groups/billing", R"({"position":4,"after":3,"consumer":"b"})");
    EXPECT_THAT(told.body, HasSubstr("is at position 1 and not at 3"));
    EXPECT_THAT(told.body, HasSubstr("group_moved"));
    EXPECT_EQ(move(1, 4, "c"), 200);
}

}  // namespace
}  // namespace holdfast
