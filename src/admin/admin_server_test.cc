#include "admin/admin_server.h"

#include <fcntl.h>
#include <httplib.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/fake_control_plane.h"
#include "admin/raw_client.h"
#include "admin/request_head.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* known = "/v1/connections/7f2c91a0-1";

class AdminServerTest : public testing::Test {
protected:
    void SetUp() override {
        auto started =
            AdminServer::start("127.0.0.1:0", gateway_, {.max_message_bytes = 32 * 1024, .sink = {}, .not_ready = {}});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
        client_ = std::make_unique<httplib::Client>("127.0.0.1", port());
        client_->set_read_timeout(10s);
        client_->set_url_encode(false);
    }

    [[nodiscard]] std::uint16_t port() const { return server_->address().port; }

    /// One request as raw bytes, on a connection of its own, and all of the answer.
    std::string exchange(std::string_view request) { return RawClient(port()).send(request).read_all(); }

    FakeControlPlane gateway_;
    std::unique_ptr<AdminServer> server_;
    std::unique_ptr<httplib::Client> client_;
};

void expect_error(const httplib::Result& answer, int status, std::string_view code) {
    ASSERT_TRUE(answer) << "no answer: " << httplib::to_string(answer.error());
    EXPECT_EQ(answer->status, status) << answer->body;
    EXPECT_THAT(answer->body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json");
    EXPECT_EQ(answer->get_header_value("Cache-Control"), "no-store");
}

TEST_F(AdminServerTest, AnswersEveryPath) {
    for (const char* path :
         {"/", "/healthz", "/readyz", "/metrics", "/v1/status", "/v1/connections", known, "/v1/closed"}) {
        const auto answer = client_->Get(path);
        ASSERT_TRUE(answer) << path;
        EXPECT_EQ(answer->status, 200) << path;
        EXPECT_EQ(answer->get_header_value("Cache-Control"), "no-store");
        const auto head = client_->Head(path);
        ASSERT_TRUE(head) << path;
        EXPECT_EQ(head->status, 200) << path;
        EXPECT_TRUE(head->body.empty());
        EXPECT_EQ(head->get_header_value("Content-Type"), answer->get_header_value("Content-Type"));
    }
    EXPECT_EQ(client_->Delete(known)->status, 200);
    EXPECT_EQ(client_->Delete("/v1/connections?peer=10.2.0.0/16")->status, 200);
    EXPECT_EQ(client_->Post(std::string(known) + "/probe")->status, 200);
    EXPECT_EQ(client_->Post("/v1/probe?all=true")->status, 200);
    EXPECT_EQ(client_->Post(std::string(known) + "/messages", "{\"cmd\":1}", "application/json")->status, 202);
    EXPECT_THAT(gateway_.sent, testing::ElementsAre("{\"cmd\":1}"));
}

TEST_F(AdminServerTest, ErrorsHaveTheirForm) {
    expect_error(client_->Get("/nope"), 404, "not_found");
    expect_error(client_->Get("/v1/connections/7f2c91a0-2"), 404, "not_found");
    expect_error(client_->Get("/v1/connections?limit=-5"), 400, "bad_query");
    expect_error(client_->Get("/v1/connections?peer=10.2.0.0%2F99"), 400, "bad_query");
    expect_error(client_->Post("/v1/probe"), 400, "bad_query");
    const auto wrong = client_->Put("/v1/status", "x", "text/plain");
    expect_error(wrong, 405, "method_not_allowed");
    EXPECT_EQ(wrong->get_header_value("Allow"), "GET, HEAD");
    expect_error(client_->Options("/v1/status"), 405, "method_not_allowed");
    expect_error(client_->Patch("/nope", "x", "text/plain"), 404, "not_found");
    EXPECT_THAT(exchange("TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminServerTest, HostileTargets) {
    expect_error(client_->Get("/%zz"), 400, "bad_request");
    expect_error(client_->Get("/%"), 400, "bad_request");
    expect_error(client_->Get("/v1/connections?key=%1"), 400, "bad_request");
    expect_error(client_->Get("/v1/connections/%ff%fe"), 404, "not_found");
    expect_error(client_->Get("/v1/connections/%0d%0aX:%201"), 404, "not_found");
    expect_error(client_->Get("/v1/connections/" + std::string(5000, 'f') + "-1"), 404, "not_found");
    expect_error(client_->Get("/" + std::string(8000, '/')), 404, "not_found");
    expect_error(client_->Get("/" + std::string(9000, 'a')), 414, "uri_too_long");
    EXPECT_THAT(exchange("GET \xff\xfe HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(AdminServerTest, HostileBodies) {
    const std::string messages = std::string(known) + "/messages";
    expect_error(client_->Post(messages, "{\"a\":\"\xff\"}", "application/json"), 400, "not_json");
    expect_error(client_->Post(messages, std::string("{}\0", 3), "application/json"), 400, "not_json");
    expect_error(client_->Post(messages, std::string(33 * 1024, ' '), "application/json"), 413, "too_large");
    expect_error(client_->Post(messages, std::string(10 * 1024 * 1024, ' '), "application/json"), 413, "too_large");
    expect_error(client_->Post("/v1/probe?all=true", std::string(10 * 1024 * 1024, ' '), "text/plain"), 413,
                 "too_large");
    EXPECT_TRUE(gateway_.sent.empty());
    // What curl -d says a body is, does not matter.
    const std::string large = "{\"a\":\"" + std::string(20'000, 'x') + "\"}";
    EXPECT_EQ(client_->Post(messages, large, "application/x-www-form-urlencoded")->status, 202);
    EXPECT_EQ(client_->Post(messages, "{\"a\":1}", "multipart/form-data; boundary=x")->status, 202);
    EXPECT_THAT(gateway_.sent, testing::ElementsAre(large, "{\"a\":1}"));
}

TEST_F(AdminServerTest, HostileFraming) {
    const std::string post = "POST " + std::string(known) + "/messages HTTP/1.1\r\nHost: localhost\r\n";
    EXPECT_THAT(exchange(post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(post + "Content-Length: -1\r\n\r\n{}"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(post + "Content-Length: 2, 2\r\n\r\n{}"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(post + "Content-Length: 99999999999999999999999\r\n\r\n{}"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 411 "));
    EXPECT_THAT(exchange(post + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), StartsWith("HTTP/1.1 415 "));
    EXPECT_THAT(exchange(post + "Connection: close\r\n\r\n"), HasSubstr("\"not_json\""));
    EXPECT_THAT(exchange(post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange(post + "Content-Length: 2\n\n{}"), StartsWith("HTTP/1.1 4"));
    EXPECT_THAT(exchange("NONSENSE\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(exchange("GET / HTTP/9.9\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    EXPECT_TRUE(gateway_.sent.empty());
    EXPECT_EQ(client_->Get("/healthz")->status, 200);
}

TEST_F(AdminServerTest, HeadersHaveABound) {
    std::string many = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    for (int i = 0; i < 5000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
    EXPECT_THAT(exchange(many), StartsWith("HTTP/1.1 431 "));
    EXPECT_THAT(exchange(std::string(100'000, 'x')), StartsWith("HTTP/1.1 431 "));
    const std::string longest = "X: " + std::string(max_header_bytes - 3, 'x') + "\r\n";
    EXPECT_THAT(exchange("GET /healthz HTTP/1.0\r\n" + longest + "\r\n"), StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(client_->Get("/healthz")->status, 200);
}

TEST_F(AdminServerTest, ADeleteWithoutALengthIsAnsweredAtOnce) {
    RawClient client(port());
    const auto began = std::chrono::steady_clock::now();
    client.send("DELETE " + std::string(known) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client.read_until("true}"), StartsWith("HTTP/1.1 200 "));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
}

TEST_F(AdminServerTest, PipelinedRequestsAreAllAnswered) {
    const std::string get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    const std::string post =
        "POST " + std::string(known) + "/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    const std::string answers = exchange(get + "\r\n" + post + get + "Connection: close\r\n\r\n");
    EXPECT_THAT(answers, testing::ContainsRegex("200 OK.*202 Accepted.*200 OK"));
    EXPECT_EQ(gateway_.sent.size(), 1U);
}

TEST_F(AdminServerTest, NothingBehindARefusedRequestIsARequest) {
    const std::string next = "DELETE " + std::string(known) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (const char* refused : {"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
                                "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                                "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                                "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"}) {
        const std::string answers = exchange(refused + next);
        EXPECT_EQ(answers.find("HTTP/1.1 2", 1), std::string::npos) << answers;
    }
}

TEST_F(AdminServerTest, RangesAndCompressionAreLeftOut) {
    const auto answer = client_->Get("/v1/status", {{"Range", "bytes=0-1"}, {"Accept-Encoding", "gzip, br"}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_FALSE(answer->has_header("Content-Encoding"));
    EXPECT_THAT(answer->body, StartsWith("{\"version\""));
}

TEST_F(AdminServerTest, APageOfAnotherSiteIsNotServed) {
    const std::string own = "127.0.0.1:" + std::to_string(port());
    expect_error(client_->Get("/v1/status", {{"Origin", "https://evil.example"}}), 403, "forbidden");
    expect_error(client_->Post("/v1/probe?all=true", httplib::Headers{{"Sec-Fetch-Site", "cross-site"}}), 403,
                 "forbidden");
    expect_error(client_->Get("/v1/status", {{"Origin", "null"}}), 403, "forbidden");
    expect_error(client_->Get("/v1/status", {{"Host", "evil.example:" + std::to_string(port())}}), 403, "forbidden");
    EXPECT_EQ(client_->Get("/v1/status", {{"Origin", "http://" + own}, {"Sec-Fetch-Site", "same-origin"}})->status,
              200);
    // Not even where it changes nothing, but for a link that somebody follows.
    EXPECT_EQ(client_->Delete(known, httplib::Headers{{"Origin", "http://localhost:1"}})->status, 403);
    expect_error(client_->Get("/v1/status", {{"Sec-Fetch-Site", "same-site"}}), 403, "forbidden");
    const httplib::Headers link{
        {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}};
    EXPECT_EQ(client_->Get("/", link)->status, 200);
    EXPECT_EQ(client_->Delete(known, link)->status, 403);
    EXPECT_EQ(client_->Post("/v1/probe?all=true", link)->status, 403);
    EXPECT_EQ(client_->Delete(known)->status, 200);
    for (const char* host : {"localhost:7080", "localhost", "[::1]:7080", "10.0.0.1"}) {
        EXPECT_EQ(client_->Get("/v1/status", {{"Host", host}})->status, 200) << host;
    }
}

TEST_F(AdminServerTest, SlowClientsDoNotStarveTheOthers) {
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(std::make_unique<RawClient>(port()));
        ASSERT_TRUE(slow.back()->connected());
        if (i % 2 == 0) slow.back()->send("GET /healthz HTTP/1.1\r\nX: ");
    }
    const auto answer = client_->Get("/healthz");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
}

TEST_F(AdminServerTest, MoreClientsThanItCanKeepAreTurnedAway) {
    std::vector<std::unique_ptr<RawClient>> crowd;
    for (int i = 0; i < 200; ++i) crowd.push_back(std::make_unique<RawClient>(port()));
    // The oldest of them, not who comes now.
    EXPECT_THAT(crowd.front()->read_all(), StartsWith("HTTP/1.1 503 "));
    EXPECT_EQ(client_->Get("/healthz")->status, 200);
    EXPECT_EQ(client_->Get("/v1/status")->status, 200);
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
    RawClient idle(port());
    RawClient partial(port());
    partial.send("GET /");
    EXPECT_EQ(client_->Get("/healthz")->status, 200);
    const auto began = std::chrono::steady_clock::now();
    server_->stop();
    server_->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    EXPECT_FALSE(RawClient(port()).connected());
}

TEST_F(AdminServerTest, AnAddressInUseIsOneClearLine) {
    const std::string address = to_string(server_->address());
    const auto second = AdminServer::start(address, gateway_, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "cannot listen on the admin address " + address +
                                          ": Address already in use; another process has it; choose another with "
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
