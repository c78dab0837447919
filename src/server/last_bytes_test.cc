#include <functional>
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
