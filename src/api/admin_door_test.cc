// Access to the admin API: tokens, TLS, names and the unix socket, against the server on real sockets.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "testing/fake_control_plane.h"
#include "testing/made_certificates.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* known_path = "/v1/connections/7f2c91a0-1";
constexpr const char* write_token = "write-0123456789abcdef";
constexpr const char* read_token = "read-0123456789abcdef";

TestClient::Headers with(std::string_view token) { return {{"Authorization", "Bearer " + std::string(token)}}; }

class AdminDoor : public testing::Test {
protected:
    void open(DoorOptions door, const std::string& place = "127.0.0.1:0") {
        door.meter = &meter_;
        door.on_unauthorized = [this](const Endpoint&) { ++unauthorized_; };
        auto started = AdminServer::start(place, gateway_, {.hub = &hub_, .assets = page, .meter = &meter_}, door);
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started).value();
        client_ = std::make_unique<TestClient>(server_->address().port);
    }

    static std::optional<Asset> page(std::string_view path) {
        if (path != "/" && path != "/dashboard/app.js") return std::nullopt;
        return Asset{"page", "text/plain", "\"1\""};
    }

    static DoorSecrets tokens() {
        return {.tokens = std::make_shared<AdminTokens>(std::vector<std::string>{write_token},
                                                        std::vector<std::string>{read_token})};
    }

    int get(const char* path, const TestClient::Headers& headers = {}) { return client_->get(path, headers).status; }
    int remove(const TestClient::Headers& headers) { return client_->remove(known_path, headers).status; }

    FakeControlPlane gateway_;
    EventHub hub_;
    AdminMeter meter_;
    std::atomic<int> unauthorized_ = 0;
    std::unique_ptr<AdminServer> server_;
    std::unique_ptr<TestClient> client_;
};

TEST_F(AdminDoor, ATokenIsRequiredAndTheTwoKindsDiffer) {
    open({.secrets = tokens()});
    for (const char* path : {"/v1/status", "/metrics", "/v1", "/v1/events", "/nope", "/v1/connections"}) {
        EXPECT_EQ(get(path), 401) << path;
        EXPECT_EQ(get(path, with("wrong-0123456789abcdef")), 401) << path;
    }
    EXPECT_EQ(get("/v1/status", with(read_token)), 200);
    EXPECT_EQ(get("/metrics", with(read_token)), 200);
    EXPECT_EQ(get("/v1/status", with(write_token)), 200);
    EXPECT_EQ(remove({}), 401);
    EXPECT_EQ(remove(with(read_token)), 403);
    EXPECT_EQ(remove(with(write_token)), 200);
    const std::string right = write_token;
    for (const std::string& given : std::vector<std::string>{"", "Bearer", "Bearer ", "Basic " + right, right,
                                                             "Bearer " + right + "x", "Bearer write-0123456789abcde"}) {
        EXPECT_EQ(get("/v1/status", {{"Authorization", given}}), 401) << given;
    }
    EXPECT_EQ(get("/v1/status", {{"Authorization", std::string("bearer  ") + read_token}}), 200);  // RFC 9110, 11.1
    EXPECT_EQ(unauthorized_, 20);
    EXPECT_EQ(meter_.of(AdminOutcome::unauthorized), 20U);
    EXPECT_EQ(meter_.of(AdminOutcome::forbidden), 1U);
    EXPECT_EQ(meter_.of(AdminOutcome::answered), 5U);
}

TEST_F(AdminDoor, HealthAndTheLoginPageNeedNoToken) {
    open({.secrets = tokens()});
    for (const char* path : {"/healthz", "/readyz", "/", "/dashboard/app.js"}) {
        EXPECT_EQ(get(path), 200) << path;
        EXPECT_EQ(client_->head(path).status, 200) << path;
        EXPECT_EQ(client_->post(path).status, 401) << path;
    }
    EXPECT_EQ(get("/%68ealthz"), 401);
    EXPECT_EQ(get("/healthz/"), 401);
    EXPECT_EQ(get("/dashboard"), 401);
}

TEST_F(AdminDoor, ARefusalSaysHowToComeIn) {
    open({.secrets = tokens()});
    const auto answer = client_->get("/v1/status");
    EXPECT_EQ(answer.header("WWW-Authenticate"), "Bearer realm=\"holdfast\"");
    EXPECT_EQ(answer.header("Cache-Control"), "no-store");
    EXPECT_THAT(answer.body, StartsWith(R"({"error":{"code":"unauthorized","message":")"));
    const auto wrong = client_->get("/v1/status", with("wrong-0123456789abcdef"));
    EXPECT_EQ(wrong.body.find("0123456789"), std::string::npos);
}

TEST_F(AdminDoor, TheBodyOfARefusedRequestIsNotRead) {
    open({.secrets = tokens()});
    RawClient client(server_->address().port);
    client.send("POST " + std::string(known_path) +
                "/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 401 "));
}

TEST_F(AdminDoor, TokensCanBeTakenBack) {
    open({.secrets = tokens()});
    EXPECT_EQ(get("/v1/status", with(read_token)), 200);
    server_->change({.tokens = std::make_shared<AdminTokens>(std::vector<std::string>{"another-0123456789"},
                                                             std::vector<std::string>{})});
    EXPECT_EQ(get("/v1/status", with(read_token)), 401);
    EXPECT_EQ(remove(with("another-0123456789")), 200);
}

TEST_F(AdminDoor, OnlyItsOwnNamesAreTaken) {
    open({.hosts = {"gateway.example.org"}});
    for (const char* host : {"localhost", "LOCALHOST:7080", "127.0.0.1", "[::1]:7080", "Gateway.Example.ORG:7080"}) {
        EXPECT_EQ(get("/v1/status", {{"Host", host}}), 200) << host;
    }
    for (const char* host : {"evil.example", "gateway.example.org.evil.example", "example.org",
                             "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil.example"}) {
        EXPECT_EQ(get("/v1/status", {{"Host", host}}), 403) << host;
        EXPECT_EQ(get("/healthz", {{"Host", host}}), 403) << host;
    }
}

TEST_F(AdminDoor, UnderTlsTheCertificatesNamesAreItsOwn) {
    const CertificateFolder folder;
    const MadeCertificate made = make_certificate({.common_names = {"gateway"}, .alternative_names = "DNS:gw.example"});
    TlsConfig files;
    files.certificate = folder.certificates("chain.pem", {&made});
    files.key = folder.key("key.pem", made);
    const auto loaded = TlsContext::load(files);
    ASSERT_TRUE(std::holds_alternative<std::shared_ptr<const TlsContext>>(loaded));
    DoorSecrets secrets = tokens();
    secrets.tls = std::get<0>(loaded);
    open({.secrets = secrets});
    EXPECT_EQ(get("/healthz"), 0);  // plain HTTP gets no answer at all
    TestClient client(server_->address().port, TlsContext::for_client({}).value());
    EXPECT_EQ(client.get("/v1/status").status, 401);
    EXPECT_EQ(client.get("/v1/status", with(read_token)).status, 200);
    TestClient::Headers named = with(read_token);
    named.emplace("Host", "gw.example");
    EXPECT_EQ(client.get("/v1/status", named).status, 200);
    named.erase("Host");
    named.emplace("Host", "evil.example");
    EXPECT_EQ(client.get("/v1/status", named).status, 403);
    const std::string large = "{\"a\":\"" + std::string(60'000, 'x') + "\"}";
    EXPECT_EQ(client.post(std::string(known_path) + "/messages", large, with(write_token)).status, 202);
    EXPECT_THAT(gateway_.sent, testing::ElementsAre(large));
}

TEST_F(AdminDoor, TheUnixSocketNeedsNoTokenOfThoseWhoMayOpenIt) {
    const CertificateFolder folder;
    const std::string path = folder.path("admin.sock");
    open({}, "unix:" + path);
    TestClient client(path);
    EXPECT_EQ(client.get("/v1/status").status, 200);
    EXPECT_EQ(client.remove(known_path).status, 200);
    EXPECT_EQ(client.get("/v1/status", {{"Host", "whatever"}}).status, 200);
    server_->stop();
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(AdminDoor, OutcomesOfRequestsAreCounted) {
    open({});
    RawClient(server_->address().port).send("NONSENSE\r\n\r\n").read_all();
    EXPECT_EQ(get("/nope"), 404);
    EXPECT_EQ(get("/v1/status", {{"Origin", "https://evil.example"}}), 403);
    const auto metrics = client_->get("/metrics");
    EXPECT_THAT(metrics.body, HasSubstr("\nholdfast_admin_requests_total{outcome=\"refused\"} 2"));
    EXPECT_THAT(metrics.body, HasSubstr("\nholdfast_admin_requests_total{outcome=\"forbidden\"} 1"));
    EXPECT_THAT(metrics.body, HasSubstr("\nholdfast_admin_requests_total{outcome=\"turned_away\"} 0"));
}

}  // namespace
}  // namespace holdfast
