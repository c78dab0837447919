#include "http_server/http_server.h"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tcp/sockaddr.h"
#include "testing/raw_client.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::StartsWith;

constexpr std::size_t large = 6UL * 1024 * 1024;  // more than the kernel takes without a reader

/// A service whose answers wait for the test.
class HttpServers : public testing::Test {
protected:
    /// Starts the server without limits of time, which a busy machine could exceed.
    void serve(const HttpLimits& limits = {}) {
        HttpOptions options;
        options.limits = limits;
        for (auto limit : {&HttpLimits::idle, &HttpLimits::head, &HttpLimits::answer, &HttpLimits::linger})
            options.limits.*limit = 1h;
        options.service.answer = [this](const HttpRequest& request) { return answer(request); };
        options.service.is_probe = [](const HttpRequest& request) { return request.target == "/probe"; };
        options.service.on_answer = [this](int) { ++answered_; };
        options.service.on_turned_away = [this] { ++turned_away_; };
        auto made = HttpServer::make(HttpListener::open("127.0.0.1:0").value(), std::move(options));
        ASSERT_TRUE(made) << made.error().message;
        server_ = std::move(made).value();
        ASSERT_FALSE(server_->start());
    }

    void TearDown() override {
        released_.release(1'000);
        server_->stop();
    }

    HttpResponse answer(const HttpRequest& request) {
        if (request.target == "/throw") throw std::runtime_error("a defect");
        if (request.target == "/large") return {.body = std::string(large, 'x')};
        if (request.target == "/wait") {
            ++waiting_;
            released_.acquire();
        }
        if (request.target == "/aside") {
            const bool waited = server_->wait_aside([this] { return ++looks_ > 3 && released_.try_acquire(); });
            return {.status = waited ? 200 : 429};
        }
        return {.body = "done"};
    }

    [[nodiscard]] std::unique_ptr<RawClient> request(const std::string& target) const {
        auto client = std::make_unique<RawClient>(server_->address().port);
        client->send("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        return client;
    }

    [[nodiscard]] std::vector<std::unique_ptr<RawClient>> request(std::size_t count, const std::string& target) const {
        std::vector<std::unique_ptr<RawClient>> all;
        while (all.size() < count) all.push_back(request(target));
        return all;
    }

    std::counting_semaphore<> released_{0};
    std::atomic<std::size_t> waiting_ = 0;
    std::atomic<int> looks_ = 0;
    std::atomic<int> answered_ = 0;
    std::atomic<int> turned_away_ = 0;
    std::unique_ptr<HttpServer> server_;
};

void wait_until(const std::function<bool()>& seen) {
    const auto began = std::chrono::steady_clock::now();
    while (!seen() && std::chrono::steady_clock::now() - began < 60s) std::this_thread::sleep_for(1ms);
    ASSERT_TRUE(seen());
}

TEST_F(HttpServers, AnswerProbesWhileAllWorkersAreBusy) {
    serve({.workers = {.active = 2, .aside = 0, .waiting = 3}});
    const auto busy = request(2, "/wait");
    wait_until([this] { return waiting_ == 2; });
    const auto queued = request(3, "/");
    EXPECT_THAT(request("/probe")->read_all(), EndsWith("done"));
    wait_until([this] { return request("/")->read_all().starts_with("HTTP/1.1 503 "); });
    EXPECT_GE(turned_away_, 1);
    released_.release(2);
    for (const auto& client : busy) EXPECT_THAT(client->read_all(), EndsWith("done"));
    for (const auto& client : queued) EXPECT_THAT(client->read_all(), EndsWith("done"));
}

TEST_F(HttpServers, ARequestThatWaitsAsideKeepsNoWorker) {
    serve({.workers = {.active = 1, .aside = 2, .waiting = 10}});
    const auto aside = request(2, "/aside");
    wait_until([this] { return looks_ > 8; });
    EXPECT_THAT(request("/")->read_all(), EndsWith("done"));
    EXPECT_THAT(request("/aside")->read_all(), StartsWith("HTTP/1.1 429 "));
    released_.release(2);
    for (const auto& client : aside) EXPECT_THAT(client->read_all(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServers, AnswerADefectWith500) {
    serve();
    EXPECT_THAT(request("/throw")->read_all(), StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(request("/")->read_all(), EndsWith("done"));
}

TEST_F(HttpServers, AStopLetsAnswersInTheMakingOut) {
    serve();
    RawClient idle(server_->address().port);
    const auto client = request("/wait");
    wait_until([this] { return waiting_ == 1; });
    const std::jthread stopping([this] { server_->stop(); });
    EXPECT_EQ(idle.read_all(), "");
    EXPECT_FALSE(RawClient(server_->address().port).connected());
    released_.release();
    EXPECT_THAT(client->read_all(), EndsWith("done"));
}

/// Returns a socket that is connected to `server` from an address of the caller's choice.
UniqueFd connect_from(const Endpoint& source, const Endpoint& server) {
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress own = to_socket_address(source);
    const SocketAddress peer = to_socket_address(server);
    EXPECT_EQ(::bind(client.get(), own.get(), own.length), 0);
    EXPECT_EQ(::connect(client.get(), peer.get(), peer.length), 0);
    return client;
}

TEST_F(HttpServers, EvictTheOldestClientOfTheSourceThatHasMost) {
    serve({.clients = 8});
    const UniqueFd lone = connect_from(parse_endpoint("127.0.0.2:0").value(), server_->address());
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<RawClient>> crowd;
        while (crowd.size() < 20) crowd.push_back(std::make_unique<RawClient>(server_->address().port));
        EXPECT_THAT(crowd.front()->read_all(), StartsWith("HTTP/1.1 503 "));
        EXPECT_THAT(request("/")->read_all(), EndsWith("done"));
    }
    constexpr std::string_view request = "GET / HTTP/1.0\r\n\r\n";
    ASSERT_EQ(::send(lone.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    std::string status(15, ' ');
    EXPECT_EQ(::recv(lone.get(), status.data(), status.size(), MSG_WAITALL), 15);
    EXPECT_EQ(status, "HTTP/1.1 200 OK");
}

/// The timer of a client may have expired, with its handler still queued, when the answer of another closes it.
TEST_F(HttpServers, StopThoughTimersExpireAsTheirClientsAreClosed) {
    serve({.writers = 1, .body = 1ms});  // this timer stays armed while the answer waits for its reader
    const auto slow = request(30, "/large");
    wait_until([this] { return answered_ == 30; });
}

TEST_F(HttpServers, CloseTheOldestOfThoseThatDoNotReadTheirAnswers) {
    serve({.writers = 1, .unread_bytes = 100 * large});
    const auto slow = request(3, "/large");
    wait_until([this] { return answered_ == 3; });
    EXPECT_THAT(request("/")->read_all(), EndsWith("done"));
    std::size_t whole = 0;
    for (const auto& client : slow) whole += client->read_all().size() > large ? 1 : 0;
    EXPECT_EQ(whole, 1U);
}

}  // namespace
}  // namespace holdfast
