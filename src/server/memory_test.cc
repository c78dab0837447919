#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/server.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t half_bytes = 3'000;

ServerConfig config_with(std::size_t budget) {
    ServerConfig config;
    config.listeners[0].address = "127.0.0.1:0";
    config.item.max_bytes = 4'096;
    config.limits.buffer_budget = budget;
    config.reactors = 1;
    return config;
}

std::string half() { return "{\"ip\":\"" + std::string(half_bytes - 7, 'x'); }

/// Blocks the reactor at the item "hold" until it may go on, and reads the buffer bytes at the item "look".
class Onlooker {
public:
    explicit Onlooker(const ServerConfig& config)
        : server_(Server::start(config, [this](unsigned) { return std::make_unique<Handler>(*this); }).value()) {}

    std::latch holds{1};
    std::latch may_go_on{1};
    std::latch seen{1};
    std::atomic<std::uint64_t> bytes{0};

    [[nodiscard]] Server& server() { return *server_; }

private:
    class Handler final : public EventHandler {
    public:
        explicit Handler(Onlooker& owner) : owner_(owner) {}
        void on_connected(const ConnectedEvent&) override {}
        void on_closed(const ClosedEvent&) override {}
        void on_item(const ItemEvent& event) override {
            if (event.key == "hold") {
                owner_.holds.count_down();
                owner_.may_go_on.wait();
            } else if (event.key == "look") {
                owner_.bytes = owner_.server().status().buffer_bytes;
                owner_.seen.count_down();
            }
        }

    private:
        Onlooker& owner_;
    };

    std::unique_ptr<Server> server_;
};

TEST(Memory, WhatArrivesAtOnceStaysWithinTheBudget) {
    constexpr std::size_t budget = 16 * 4'096;
    constexpr std::size_t many = 100;
    Onlooker gateway(config_with(budget));
    const Endpoint address = gateway.server().status().listeners[0].bound;
    TestDevice holder(address);
    TestDevice looker(address);
    std::vector<TestDevice> hoarders;
    for (std::size_t i = 0; i < many; ++i) hoarders.emplace_back(address);
    EXPECT_TRUE(comes_true([&] { return gateway.server().status().listeners[0].connections >= many + 2; }));
    holder.send("hold");
    gateway.holds.wait();
    for (TestDevice& device : hoarders) device.send_raw(half());  // all of it waits for one turn
    looker.send("look");
    gateway.may_go_on.count_down();
    gateway.seen.wait();
    EXPECT_LE(gateway.bytes, budget);
    EXPECT_GT(gateway.bytes, budget / 2) << "nothing arrived: the test shows nothing";
}

TEST(Memory, APausedConnectionDoesNotKeepItsMemoryForever) {
    ServerConfig config = config_with(64 * half_bytes);
    config.listeners[0].item_deadline = milliseconds(2'000);
    TestGateway gateway(config);
    const Endpoint address = gateway.bound("devices");
    const auto stage = [&] { return gateway.server().status().buffer_stage; };
    std::vector<std::unique_ptr<TestDevice>> early;
    std::vector<std::unique_ptr<TestDevice>> late;
    const auto hoard = [&](std::vector<std::unique_ptr<TestDevice>>& into) {
        const std::uint64_t before = gateway.status("devices").bytes_in;
        into.push_back(std::make_unique<TestDevice>(address));
        into.back()->send_raw(half());
        return gateway.until([&] { return gateway.status("devices").bytes_in >= before + half_bytes; });
    };
    while (stage() == 0) ASSERT_TRUE(hoard(early));
    while (!early.empty()) {  // each connection that ends makes room for one under memory pressure
        ASSERT_TRUE(hoard(late));
        early.pop_back();
    }
    EXPECT_TRUE(gateway.until([&] { return gateway.server().status().buffer_bytes == 0; }));
    EXPECT_GT(gateway.status("devices").closed[static_cast<std::size_t>(CloseReason::shed)], 0U);
}

/// Records the keys of items, and runs `at_first_close` when the first connection is closed.
class LastBytesHandler final : public EventHandler {
public:
    LastBytesHandler(std::vector<std::string>& keys, std::function<void(const Endpoint&)>& at_first_close)
        : keys_(keys), at_first_close_(at_first_close) {}
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override { keys_.emplace_back(event.key); }
    void on_closed(const ClosedEvent& event) override {
        if (const auto work = std::exchange(at_first_close_, {})) work(event.peer);
    }

private:
    std::vector<std::string>& keys_;
    std::function<void(const Endpoint&)>& at_first_close_;
};

/// A stop closes two connections of one reactor in the same turn. While the first is closed, the second device ends its
/// stream with an object without a line end. The gateway's previous read of it had found nothing.
TEST(LastBytes, AnObjectBeforeFinThatComesBehindTheLastLookIsAnItem) {
    std::vector<std::string> keys;  // used by the reactor's thread until wait() returns
    std::function<void(const Endpoint&)> at_first_close;
    ServerConfig config;
    config.reactors = 1;
    config.listeners.resize(1);
    config.listeners[0].address = "127.0.0.1:0";
    auto started =
        Server::start(config, [&](unsigned) { return std::make_unique<LastBytesHandler>(keys, at_first_close); });
    ASSERT_TRUE(started) << started.error().message;
    const auto server = std::move(started).value();
    TestDevice one(server->status().listeners[0].bound);
    TestDevice other(server->status().listeners[0].bound);
    at_first_close = [&](const Endpoint& closed) {
        TestDevice& open = closed == one.local() ? other : one;
        open.send_raw(R"({"ip":"last"})");
        open.end_sending();
    };
    server->drain();
    server->wait();
    EXPECT_THAT(keys, testing::ElementsAre("last"));
    EXPECT_EQ(server->status().listeners[0].unfinished_items, 0U);
}

}  // namespace

}  // namespace holdfast
