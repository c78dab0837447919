#include "admin/feed_stream.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/admin_server.h"
#include "admin/fake_control_plane.h"
#include "admin/fake_watch_view.h"
#include "admin/raw_client.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Clock = std::chrono::steady_clock;

class Feeds : public testing::Test {
protected:
    void SetUp() override {
        auto started = AdminServer::start("127.0.0.1:0", gateway_, {.watch = &watch_, .hub = &hub_});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
    }

    /// A client that has its headers: from then on it is fed.
    std::unique_ptr<RawClient> follow(std::string_view query = "") {
        auto client = std::make_unique<RawClient>(server_->address().port);
        client->send("GET /v1/events" + std::string(query) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        head_ = client->read_until(": holdfast\n\n");
        return client;
    }

    std::string get(std::string_view path, std::string_view headers = "") {
        RawClient client(server_->address().port);
        client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                    std::string(headers) + "\r\n");
        return client.read_all();
    }

    /// Until nobody follows any more; a second is far past a glance.
    [[nodiscard]] bool unwatched() const {
        const auto began = Clock::now();
        while (hub_.wanted(FeedKind::sample) && Clock::now() - began < 5s) std::this_thread::yield();
        return !hub_.wanted(FeedKind::sample);
    }

    FakeControlPlane gateway_;
    FakeWatchView watch_;
    EventHub hub_;
    std::unique_ptr<AdminServer> server_;
    std::string head_;
};

TEST_F(Feeds, HeadersComeAtOnceAndMessagesAsTheyArePublished) {
    const auto client = follow();
    EXPECT_THAT(head_, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"));
    EXPECT_THAT(head_, EndsWith("\r\n\r\n: holdfast\n\n"));
    EXPECT_THAT(head_, Not(HasSubstr("Content-Length")));
    hub_.publish(FeedKind::sample, R"({"connections":1})");
    EXPECT_EQ(client->read_until("\n\n"), "event: sample\ndata: {\"connections\":1}\n\n");
    hub_.publish(FeedKind::alarm, R"({"id":1})");
    EXPECT_EQ(client->read_until("\n\n"), "event: alarm\ndata: {\"id\":1}\n\n");
    hub_.skip(FeedKind::closed, 17);
    EXPECT_EQ(client->read_until("\n\n"), "event: skipped\ndata: {\"skipped\":17}\n\n");
}

TEST_F(Feeds, WhatCannotBeFollowedIsAnsweredAsUsual) {
    EXPECT_THAT(get("/v1/events?kinds=nonsense"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(get("/v1/events", "Origin: https://evil.example\r\n"), StartsWith("HTTP/1.1 403 "));
    EXPECT_FALSE(hub_.wanted(FeedKind::sample));
}

TEST_F(Feeds, AsManyAsTheHubTakesLeaveEveryThreadFree) {
    std::vector<std::unique_ptr<RawClient>> all;
    for (std::size_t i = 0; i < EventHub::most_subscribers; ++i) {
        all.push_back(follow());
        ASSERT_THAT(head_, StartsWith("HTTP/1.1 200 OK\r\n")) << i;
    }
    EXPECT_THAT(get("/v1/events"), StartsWith("HTTP/1.1 503 "));
    const auto began = Clock::now();
    for (int i = 0; i < 50; ++i) EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_LT(Clock::now() - began, 5s);
    hub_.publish(FeedKind::sample, "{}");
    for (const auto& client : all) EXPECT_EQ(client->read_until("\n\n"), "event: sample\ndata: {}\n\n");
}

TEST_F(Feeds, AClientThatLeavesIsNoticed) {
    auto client = follow();
    EXPECT_TRUE(hub_.wanted(FeedKind::sample));
    client.reset();
    EXPECT_TRUE(unwatched());
}

TEST_F(Feeds, AStopEndsThem) {
    std::vector<std::unique_ptr<RawClient>> all;
    for (int i = 0; i < 4; ++i) all.push_back(follow());
    const auto began = Clock::now();
    server_->stop();
    const auto took = Clock::now() - began;
    for (const auto& client : all) EXPECT_EQ(client->read_all(), "");
    EXPECT_FALSE(hub_.wanted(FeedKind::sample));
    // 100 ms are promised; a busy machine may take its time.
    EXPECT_LT(took, 1s);
}

/// Both ends of a connection inside this process.
class FeedStreams : public testing::Test {
protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        served_.emplace(UniqueFd(ends[0]));
        client_.reset(ends[1]);
    }

    void serve(const FeedLimits& limits) {
        const auto feed = hub_.subscribe(EventHub::bit(FeedKind::item));
        for (int i = 0; i < 100; ++i) hub_.publish(FeedKind::item, std::string(30'000, 'x'));
        serve_feed(*served_, *feed, stopping_, limits);
    }

    EventHub hub_;
    std::optional<TlsStream> served_;
    UniqueFd client_;
    std::atomic<bool> stopping_ = false;
};

TEST_F(FeedStreams, AClientThatDoesNotReadIsDropped) {
    const auto began = Clock::now();
    serve({.glance = 5ms, .stalled = 50ms, .send_buffer_bytes = 64 * 1024});
    EXPECT_GE(Clock::now() - began, 50ms);  // and it returned
}

TEST_F(FeedStreams, AStopDoesNotWaitForAClientThatDoesNotRead) {
    std::jthread serving([this] { serve({.glance = 5ms, .stalled = 1h, .send_buffer_bytes = 64 * 1024}); });
    char byte = 0;
    ASSERT_EQ(::recv(client_.get(), &byte, 1, 0), 1);
    stopping_ = true;
    serving.join();  // the test's time limit ends it otherwise
}

TEST_F(FeedStreams, ACommentKeepsAQuietOneOpen) {
    const auto feed = hub_.subscribe(EventHub::bit(FeedKind::item));
    std::jthread serving([&] { serve_feed(*served_, *feed, stopping_, {.glance = 1ms, .comment = 5ms}); });
    std::string all;
    const timeval timeout{10, 0};
    ::setsockopt(client_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    char buffer[256];
    while (all.find(": still here\n\n: still here\n\n") == std::string::npos) {
        const ssize_t got = ::recv(client_.get(), buffer, sizeof buffer, 0);
        ASSERT_GT(got, 0);
        all.append(buffer, static_cast<std::size_t>(got));
    }
    client_.reset();  // ends it
}

}  // namespace
}  // namespace holdfast
