#include "api/admin_server.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_control_plane.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* connection_path = "/v1/connections/7f2c91a0-1";

class AdminServerTest : public testing::Test {
protected:
    void SetUp() override { serve({}); }

    void serve(const HttpLimits& limits) {
        server_.reset();
        auto started = AdminServer::start(
            "127.0.0.1:0", gateway_, {.max_message_bytes = 32 * 1024, .sink = {}, .not_ready = {}}, {.limits = limits});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
        client_ = std::make_unique<TestClient>(port());
    }

    [[nodiscard]] std::uint16_t port() const { return server_->address().port; }

    /// Sends one request as raw bytes on a connection of its own, and returns the whole answer.
    std::string exchange(std::string_view request) { return RawClient(port()).send(request).read_all(); }

    FakeControlPlane gateway_;
    std::unique_ptr<AdminServer> server_;
    std::unique_ptr<TestClient> client_;
};

void expect_error(const TestClient::Reply& answer, int status, std::string_view code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    EXPECT_EQ(answer.header("Cache-Control"), "no-store");
}

TEST_F(AdminServerTest, AnswersEveryPath) {
    for (const char* path :
         {"/", "/healthz", "/readyz", "/metrics", "/v1/status", "/v1/connections", connection_path, "/v1/closed"}) {
        const auto answer = client_->get(path);
        EXPECT_EQ(answer.status, 200) << path;
        EXPECT_EQ(answer.header("Cache-Control"), "no-store");
        const auto head = client_->head(path);
        EXPECT_EQ(head.status, 200) << path;
        EXPECT_TRUE(head.body.empty());
        EXPECT_EQ(head.header("Content-Type"), answer.header("Content-Type"));
    }
    EXPECT_EQ(client_->remove(connection_path).status, 200);
    EXPECT_EQ(client_->remove("/v1/connections?peer=10.2.0.0/16").status, 200);
    EXPECT_EQ(client_->post(std::string(connection_path) + "/probe").status, 200);
    EXPECT_EQ(client_->post("/v1/probe?all=true").status, 200);
    EXPECT_EQ(client_->post(std::string(connection_path) + "/messages", "{\"cmd\":1}").status, 202);
    EXPECT_THAT(gateway_.sent, testing::ElementsAre("{\"cmd\":1}"));
}

TEST_F(AdminServerTest, ErrorsHaveTheirForm) {
    expect_error(client_->get("/nope"), 404, "not_found");
    expect_error(client_->get("/v1/connections/7f2c91a0-2"), 404, "not_found");
    expect_error(client_->get("/v1/connections?limit=-5"), 400, "bad_query");
    expect_error(client_->get("/v1/connections?peer=10.2.0.0%2F99"), 400, "bad_query");
    expect_error(client_->post("/v1/probe"), 400, "bad_query");
    const auto wrong = client_->request("PUT", "/v1/status", {}, "x");
    expect_error(wrong, 405, "method_not_allowed");
    EXPECT_EQ(wrong.header("Allow"), "GET, HEAD");
    expect_error(client_->request("OPTIONS", "/v1/status"), 405, "method_not_allowed");
    expect_error(client_->request("PATCH", "/nope", {}, "x"), 404, "not_found");
    EXPECT_THAT(exchange("TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminServerTest, HostileBodies) {
    const std::string messages = std::string(connection_path) + "/messages";
    expect_error(client_->post(messages, "{\"a\":\"\xff\"}"), 400, "not_json");
    expect_error(client_->post(messages, std::string("{}\0", 3)), 400, "not_json");
    expect_error(client_->post(messages, std::string(33 * 1024, ' ')), 413, "too_large");
    expect_error(client_->post(messages, std::string(10 * 1024 * 1024, ' ')), 413, "too_large");
    expect_error(client_->post("/v1/probe?all=true", std::string(10 * 1024 * 1024, ' ')), 413, "too_large");
    EXPECT_TRUE(gateway_.sent.empty());
    // curl -d declares a form; the server ignores the content type.
    const std::string large = "{\"a\":\"" + std::string(20'000, 'x') + "\"}";
    EXPECT_EQ(client_->post(messages, large, {{"Content-Type", "application/x-www-form-urlencoded"}}).status, 202);
    EXPECT_EQ(client_->post(messages, "{\"a\":1}", {{"Content-Type", "multipart/form-data; boundary=x"}}).status, 202);
    EXPECT_THAT(gateway_.sent, testing::ElementsAre(large, "{\"a\":1}"));
}

TEST_F(AdminServerTest, ADeleteWithoutALengthIsAnsweredAtOnce) {
    serve({.idle = 1h, .head = 1h, .body = 1h});
    RawClient client(port());
    const auto began = std::chrono::steady_clock::now();
    client.send("DELETE " + std::string(connection_path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client.read_until("true}"), StartsWith("HTTP/1.1 200 "));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST_F(AdminServerTest, SlowClientsDoNotStarveTheOthers) {
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(std::make_unique<RawClient>(port()));
        ASSERT_TRUE(slow.back()->connected());
        if (i % 2 == 0) slow.back()->send("GET /healthz HTTP/1.1\r\nX: ");
    }
    const auto answer = client_->get("/healthz");
    EXPECT_EQ(answer.status, 200);
}

TEST_F(AdminServerTest, MoreClientsThanItCanKeepAreTurnedAway) {
    std::vector<std::unique_ptr<RawClient>> crowd;
    for (int i = 0; i < 200; ++i) crowd.push_back(std::make_unique<RawClient>(port()));
    // The oldest of them, not the newcomer.
    EXPECT_THAT(crowd.front()->read_all(), StartsWith("HTTP/1.1 503 "));
    EXPECT_EQ(client_->get("/healthz").status, 200);
    EXPECT_EQ(client_->get("/v1/status").status, 200);
    EXPECT_THAT(crowd.back()->send("GET /v1 HTTP/1.0\r\n\r\n").read_all(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ServesOnDescriptorsPastAThousand) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlimit raised = limit;
    raised.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
    ASSERT_GE(raised.rlim_cur, 2048U) << "raise the hard descriptor limit (ulimit -Hn) to run this";
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &raised), 0);
    std::vector<UniqueFd> held;
    while (held.empty() || held.back().get() < 1500) {
        held.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(held.back().valid());
    }
    EXPECT_THAT(exchange("GET /healthz HTTP/1.0\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
    held.clear();
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(AdminServerTest, StopsWithClientsConnected) {
    serve({.idle = 1h, .head = 1h, .body = 1h});
    RawClient idle(port());
    RawClient partial(port());
    partial.send("GET /");
    EXPECT_EQ(client_->get("/healthz").status, 200);
    const auto began = std::chrono::steady_clock::now();
    server_->stop();
    server_->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    EXPECT_FALSE(RawClient(port()).connected());
}

TEST_F(AdminServerTest, AnAddressInUseIsOneClearLine) {
    const std::string address = to_string(server_->address());
    const auto second = AdminServer::start(address, gateway_, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "cannot listen on the admin address " + address +
                                          ": Address already in use by another process; choose another with "
                                          "--admin or [admin] address");
}

TEST(AdminServer, AnAddressThatIsNoneIsOneClearLine) {
    FakeControlPlane gateway;
    for (const char* address : {"", "nonsense", "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:0"}) {
        const auto started = AdminServer::start(address, gateway, {});
        ASSERT_FALSE(started) << address;
        EXPECT_THAT(started.error().message, HasSubstr("admin address"));
        EXPECT_THAT(started.error().message, Not(HasSubstr("\n")));
    }
}

}  // namespace
}  // namespace holdfast
