#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/admin_server.h"
#include "testing/fake_control_plane.h"
#include "testing/fake_watch_view.h"
#include "testing/raw_client.h"
#include "trend/event_hub.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Clock = std::chrono::steady_clock;

[[nodiscard]] bool raise_descriptor_limit(rlim_t wanted) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, wanted));
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

/// Returns the number of threads of this process.
std::size_t thread_count() {
    const auto threads = std::filesystem::directory_iterator("/proc/self/task");
    return static_cast<std::size_t>(std::distance(begin(threads), end(threads)));
}

class Feeds : public testing::Test {
protected:
    void SetUp() override { serve({}); }

    void serve(const HttpLimits& limits) {
        server_.reset();
        auto started =
            AdminServer::start("127.0.0.1:0", gateway_, {.watch = &watch_, .hub = &hub_}, {.limits = limits});
        ASSERT_TRUE(started) << started.error().message;
        server_ = std::move(started.value());
    }

    /// Opens a feed, and returns its client after the response headers.
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

    [[nodiscard]] bool becomes_unfollowed() {
        const auto began = Clock::now();
        while (hub_.subscribers() > 0 && Clock::now() - began < 5s) std::this_thread::yield();
        return hub_.subscribers() == 0;
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
    EXPECT_THAT(client->read_until("\n\n"), StartsWith("event: sample\ndata: {\"connections\":1}\nid: "));
    hub_.publish(FeedKind::alarm, R"({"id":1})");
    EXPECT_THAT(client->read_until("\n\n"), StartsWith("event: alarm\ndata: {\"id\":1}\nid: "));
    hub_.skip(FeedKind::closed, 17);
    EXPECT_THAT(client->read_until("\n\n"), StartsWith("event: skipped\ndata: {\"skipped\":17}\nid: "));
}

TEST_F(Feeds, WhatCannotBeFollowedIsAnsweredAsUsual) {
    EXPECT_THAT(get("/v1/events?kinds=nonsense"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(get("/v1/events", "Origin: https://evil.example\r\n"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(hub_.subscribers(), 0U);
}

TEST_F(Feeds, CostNoThreadAndLeaveTheWorkersFree) {
    constexpr std::size_t followers = 1'000;
    ASSERT_TRUE(raise_descriptor_limit(4 * followers)) << "raise the hard descriptor limit (ulimit -Hn) to run this";
    // One worker, which a second request cannot make two, and no limit of time that a busy machine could exceed.
    serve({.workers = {.active = 1, .aside = 0}, .idle = 1h, .head = 1h, .linger = 1h, .stalled = 1h, .comment = 1h});
    static_cast<void>(get("/healthz"));  // starts the worker of the probes
    const std::size_t threads = thread_count();
    std::vector<std::unique_ptr<RawClient>> all;
    for (std::size_t i = 0; i < followers; ++i) {
        all.push_back(follow());
        ASSERT_THAT(head_, StartsWith("HTTP/1.1 200 OK\r\n")) << i;
    }
    EXPECT_EQ(thread_count(), threads);
    for (int i = 0; i < 50; ++i) EXPECT_THAT(get("/v1"), StartsWith("HTTP/1.1 200 OK\r\n"));
    hub_.publish(FeedKind::sample, "{}");
    for (const auto& client : all) EXPECT_THAT(client->read_until("\n\n"), StartsWith("event: sample\ndata: {}\nid: "));
}

TEST_F(Feeds, BeyondTheHubsLimitAreRefused) {
    std::vector<std::unique_ptr<EventHub::Subscription>> all;
    while (auto one = hub_.subscribe(EventHub::bit(FeedKind::sample))) all.push_back(std::move(one));
    EXPECT_THAT(get("/v1/events"), StartsWith("HTTP/1.1 503 "));
    all.pop_back();
    EXPECT_NE(follow(), nullptr);
    EXPECT_THAT(head_, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(Feeds, AClientThatLeavesIsNoticed) {
    auto client = follow();
    EXPECT_TRUE(hub_.wanted(FeedKind::sample));
    client.reset();
    EXPECT_TRUE(becomes_unfollowed());
}

TEST_F(Feeds, AStopEndsThem) {
    std::vector<std::unique_ptr<RawClient>> all;
    for (int i = 0; i < 4; ++i) all.push_back(follow());
    const auto began = Clock::now();
    server_->stop();
    const auto took = Clock::now() - began;
    for (const auto& client : all) EXPECT_EQ(client->read_all(), "");
    EXPECT_EQ(hub_.subscribers(), 0U);
    // 100 ms are promised; a busy machine may take its time.
    EXPECT_LT(took, 10s);
}

TEST_F(Feeds, AClientThatDoesNotReadIsDropped) {
    serve({.stalled = 200ms, .feed_buffer_bytes = 64 * 1024});
    const auto client = follow("?kinds=item");
    for (int i = 0; i < 500; ++i) hub_.publish(FeedKind::item, std::string(30'000, 'x'));
    EXPECT_TRUE(becomes_unfollowed());
}

TEST_F(Feeds, AStopDoesNotWaitForAClientThatDoesNotRead) {
    serve({.stalled = 1h, .feed_buffer_bytes = 64 * 1024});
    const auto client = follow("?kinds=item");
    for (int i = 0; i < 500; ++i) hub_.publish(FeedKind::item, std::string(30'000, 'x'));
    EXPECT_THAT(client->read_some(), StartsWith("event: "));  // item or skipped
    server_->stop();                                          // the test's time limit ends it otherwise
    EXPECT_EQ(hub_.subscribers(), 0U);
}

TEST_F(Feeds, ACommentKeepsAQuietOneOpen) {
    serve({.comment = 20ms});
    const auto client = follow("?kinds=alarm");
    const std::jthread others([this](const std::stop_token& stop) {
        while (!stop.stop_requested()) hub_.publish(FeedKind::sample, "{}");
    });
    const auto also = follow();  // samples are wanted, though not by the first
    EXPECT_EQ(client->read_until("\n\n"), ": still here\n\n");
    EXPECT_EQ(client->read_until("\n\n"), ": still here\n\n");
}

TEST_F(Feeds, AFollowerThatKeepsSendingIsClosed) {
    const auto client = follow();
    client->send(std::string(100'000, 'x'));
    EXPECT_TRUE(becomes_unfollowed());
}

}  // namespace
}  // namespace holdfast
