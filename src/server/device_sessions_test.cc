#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/server.h>

#include "testing/comes_true.h"
#include "testing/durable_log.h"
#include "testing/gateway.h"

namespace holdfast {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

/// A server with one listener that acknowledges and one that does not. The test commits the log.
class DevicesOf : public ::testing::Test {
protected:
    DevicesOf() {
        config_.reactors = 2;
        config_.listeners = {ListenerConfig{}, ListenerConfig{}};
        for (auto& listener : config_.listeners) listener.address = "127.0.0.1:0";
        config_.listeners[0].acks = true;
        config_.listeners[1].name = "plain";
        auto started = Server::start(config_, [this](unsigned) { return log_.make_handler(); });
        if (!started) throw std::runtime_error(started.error().message);
        server_ = std::move(started).value();
    }

    TestDevice connect(std::size_t listener = 0) { return TestDevice(server_->status().listeners[listener].bound); }
    TestDevice greet(const std::string& hello, std::size_t listener = 0) {
        TestDevice device = connect(listener);
        device.send_raw("{\"hello\":" + hello + "}\n");
        return device;
    }
    static std::string item(unsigned seq) { return R"({"ip":"10.0.0.1","seq":)" + std::to_string(seq) + "}\n"; }

    /// Waits until the log holds the event.
    void see(const std::string& what) {
        const auto is_told = [&] {
            const auto told = log_.told();
            return std::find(told.begin(), told.end(), what) != told.end();
        };
        ASSERT_TRUE(comes_true(is_told, test_timeout)) << "the log was never told: " << what;
    }

    void switch_acks(std::size_t listener, bool on) {
        config_.listeners[listener].acks = on;
        const auto report = server_->apply(config_);
        ASSERT_TRUE(report);
        ASSERT_EQ(report.value().applied.size(), 1U);
    }

    ServerConfig config_;
    TestLog log_;
    std::unique_ptr<Server> server_;
};

TEST_F(DevicesOf, AnItemIsAcknowledgedWhenItIsDurableAndNotBefore) {
    TestDevice device = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    log_.commit_by_hand();
    device.send_raw(item(1) + item(2));
    see("item d1 2");
    device.send_raw(R"({"ip":"10.0.0.1","seq":9})"
                    "\n");
    EXPECT_EQ(device.line(), R"({"nack":9,"reason":"gap","expected":3})");  // without an ack before
    log_.commit();
    EXPECT_EQ(device.line(), R"({"ack":2})");
}

TEST_F(DevicesOf, AnItemCountsOnceItIsDurable) {
    log_.commit_by_hand();
    TestDevice plain = connect(1);
    plain.send("10.0.0.1");
    plain.send("10.0.0.2");
    see("item - 10.0.0.2");
    EXPECT_EQ(server_->status().listeners[1].items, 0U);
    log_.commit_each_turn();
    EXPECT_TRUE(comes_true([this] { return server_->status().listeners[1].items == 2; }));
}

TEST_F(DevicesOf, ASessionContinuesAlsoIfItemsFollowTheHelloAtOnce) {
    TestDevice first = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(first.line(), R"({"resume":0})");
    first.send_raw(item(1) + item(2));
    EXPECT_EQ(first.line(), R"({"ack":2})");
    first.close();
    see("closed d1 peer_closed");

    TestDevice second = connect();
    second.send_raw("{\"hello\":{\"id\":\"d1\",\"session\":\"s1\"}}\n" + item(2) + item(3));
    EXPECT_EQ(second.line(), R"({"resume":2})");
    EXPECT_EQ(second.line(), R"({"ack":2})");
    EXPECT_EQ(second.line(), R"({"ack":3})");
    const auto told = log_.told();
    EXPECT_EQ(std::count(told.begin(), told.end(), "item d1 2"), 1);
    EXPECT_EQ(server_->status().listeners[0].repeated_items, 1U);
}

TEST_F(DevicesOf, ABadItemTakesItsNumberAndIsAcknowledgedLikeAnother) {
    TestDevice device = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    log_.commit_by_hand();
    device.send_raw("not json\n{\"seq\":2}\n{\"ip\":\"10.0.0.1\"}\n" + item(4));
    EXPECT_EQ(device.line(), R"({"nack":1,"reason":"not_json"})");
    EXPECT_EQ(device.line(), R"({"nack":2,"reason":"no_key"})");
    EXPECT_EQ(device.line(), R"({"nack":3,"reason":"bad_seq"})");
    see("item d1 4");
    log_.commit();
    EXPECT_EQ(device.line(), R"({"ack":4})");
    const ListenerStatus status = server_->status().listeners[0];
    EXPECT_EQ(status.bad_items[static_cast<std::size_t>(BadItem::bad_seq)], 1U);
    EXPECT_EQ(status.items, 1U);

    device.close();
    see("closed d1 peer_closed");
    log_.commit_each_turn();
    TestDevice again = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(again.line(), R"({"resume":4})");
}

TEST_F(DevicesOf, AnItemTooLargeIsNotSentForEver) {
    TestDevice device = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    device.send_raw(item(1) + R"({"ip":"10.0.0.1","seq":2,"more":")" + std::string(70'000, 'x') + "\"}\n");
    see("refused d1 2");
    see("closed d1 item_too_large");
    TestDevice again = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(again.line(), R"({"resume":2})");
}

TEST_F(DevicesOf, AGapIsReportedOnceAndItsItemsAreDropped) {
    TestDevice device = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    device.send_raw(item(3) + item(4) + item(1));
    EXPECT_EQ(device.line(), R"({"nack":3,"reason":"gap","expected":1})");
    EXPECT_EQ(device.line(), R"({"ack":1})");
    device.send_raw(item(3));
    EXPECT_EQ(device.line(), R"({"nack":3,"reason":"gap","expected":2})");
    EXPECT_EQ(server_->status().listeners[0].gaps, 3U);
    EXPECT_EQ(server_->status().listeners[0].items, 1U);
}

TEST_F(DevicesOf, ADeviceThatWasServedElsewhereStatesItsNextNumber) {
    TestDevice device = greet(R"({"id":"d1","session":"s1","from":201})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    device.send_raw(item(201));
    EXPECT_EQ(device.line(), R"({"ack":201})");
}

TEST_F(DevicesOf, AJumpAcknowledgesNothingThatItSkips) {
    {
        TestDevice device = greet(R"({"id":"d1","session":"s1"})");
        EXPECT_EQ(device.line(), R"({"resume":0})");
        device.send_raw(item(1) + item(2) + item(3));
        EXPECT_EQ(device.line(), R"({"ack":3})");
    }
    see("closed d1 peer_closed");
    TestDevice device = greet(R"({"id":"d1","session":"s1","from":1000})");
    EXPECT_EQ(device.line(), R"({"resume":3})");
    device.send_raw(item(4) + item(5));
    EXPECT_EQ(device.line(), R"({"nack":4,"reason":"skipped","expected":1000})");
    device.send_raw(item(2));
    EXPECT_EQ(device.line(), R"({"ack":3})") << "what is safe, and no more";
    device.send_raw(item(1000) + item(999));
    EXPECT_EQ(device.line(), R"({"nack":999,"reason":"skipped","expected":1001})");
    EXPECT_EQ(device.line(), R"({"ack":1000})");
    EXPECT_EQ(server_->status().listeners[0].gaps, 3U);
    EXPECT_EQ(server_->status().listeners[0].items, 4U);
}

TEST_F(DevicesOf, ANewConnectionTakesTheOldOnesPlace) {
    std::vector<TestDevice> devices;  // enough to use both reactors
    for (unsigned i = 0; i < 20; ++i) {
        devices.push_back(greet(R"({"id":"d1","session":"s1"})"));
        EXPECT_EQ(devices.back().line(), "{\"resume\":" + std::to_string(i) + "}");
        const ConnectionPage page = server_->list({.peer = {}, .key = {}, .listener = {}, .id = "d1"});
        ASSERT_EQ(page.rows.size(), 1U);
        EXPECT_EQ(page.rows[0].peer, devices.back().local());
        EXPECT_EQ(page.rows[0].id, "d1");
        EXPECT_EQ(server_->find("d1"), page.rows[0].conn);
        devices.back().send_raw(item(i + 1));
        EXPECT_EQ(devices.back().line(), "{\"ack\":" + std::to_string(i + 1) + "}");
    }
    for (unsigned i = 0; i + 1 < 20; ++i) EXPECT_EQ(devices[i].line(), "");
    const auto told = log_.told();
    EXPECT_EQ(std::count(told.begin(), told.end(), "closed d1 superseded"), 19);
    EXPECT_EQ(server_->status().listeners[0].identified, 1U);
}

TEST_F(DevicesOf, AHelloNamesADeviceThatCountsNothing) {
    TestDevice plain = greet(R"({"id":"d1","session":"s1"})", 1);
    see("identified d1");
    plain.send("10.0.0.1");
    see("item d1 10.0.0.1");
    TestDevice unnumbered = greet(R"({"id":"d2"})");
    see("connected d2");
    unnumbered.send("10.0.0.2");
    see("item d2 10.0.0.2");
    EXPECT_TRUE(server_->find("d1"));
    EXPECT_FALSE(server_->find("d3"));
}

TEST_F(DevicesOf, DevicesWithoutSessionOrItemsGetTheSameAnswer) {
    TestDevice plain = connect();
    plain.send("10.0.0.1");
    see("connected -");
    see("item - 10.0.0.1");
    plain.close();
    see("closed - peer_closed");
    TestDevice short_lived = connect();
    short_lived.close();
    TestDevice silent = connect();
    const auto connected_thrice = [this] {
        const auto told = log_.told();
        return std::count(told.begin(), told.end(), "connected -") == 3;
    };
    EXPECT_TRUE(comes_true(connected_thrice, test_timeout));
    silent.send_raw("{\"hello\":{\"id\":\"late\"}}\n");
    see("identified late");
}

TEST_F(DevicesOf, WhatIsNoHelloIsABadItem) {
    TestDevice device = connect(1);
    device.send_raw(R"({"hello":{"id":""}})"
                    "\n"
                    R"({"hello":{"id":"d1"}})"
                    "\n");
    device.send("10.0.0.1");
    see("item - 10.0.0.1");
    EXPECT_EQ(server_->status().listeners[1].bad_items[static_cast<std::size_t>(BadItem::bad_hello)], 2U);
    EXPECT_FALSE(server_->find("d1"));
}

TEST_F(DevicesOf, ADownlinkIsAcknowledgedByTheDevicesKernel) {
    TestDevice device = greet(R"({"id":"d1"})");
    see("connected d1");
    EXPECT_EQ(server_->deliver(*server_->find("d1"), R"({"do":"it"})", std::chrono::seconds(20)), Delivery::acked);
    EXPECT_EQ(device.line(), R"({"do":"it"})");
    device.close();
    see("closed d1 peer_closed");
    EXPECT_TRUE(comes_true([&] { return !server_->find("d1"); })) << "the id is released behind the event";
}

TEST(DeviceSessions, AStopAnswersWaitingClaims) {
    ServerConfig config;
    config.reactors = 1;
    config.listeners[0].address = "127.0.0.1:0";
    config.limits.downlink_queue = std::size_t{32} << 20;
    TestLog log;
    auto started = Server::start(config, [&log](unsigned) { return log.make_handler(); });
    ASSERT_TRUE(started);
    Server& server = *started.value();
    TestDevice device(server.status().listeners[0].bound);
    device.send_raw("{\"hello\":{\"id\":\"d1\"}}\n");
    const auto soon = std::chrono::steady_clock::now() + test_timeout;
    while (!server.find("d1") && std::chrono::steady_clock::now() < soon) std::this_thread::yield();
    const ConnectionId conn = server.find("d1").value();
    const std::string large = "{\"text\":\"" + std::string(1 << 20, 'x') + "\"}";
    // The device reads nothing. Once its window is closed, the gateway queues further bytes.
    while (server.show(conn)->downlink_queue_bytes == 0) static_cast<void>(server.send(conn, large));
    const std::size_t waiting = server.show(conn)->downlink_queue_bytes;
    auto answer = std::async(std::launch::async, [&] { return server.deliver(conn, large, std::chrono::minutes(10)); });
    EXPECT_TRUE(comes_true([&] { return server.show(conn)->downlink_queue_bytes != waiting; }));
    server.stop_now();
    ASSERT_EQ(answer.wait_for(test_timeout), std::future_status::ready);
    EXPECT_EQ(answer.get(), Delivery::sent);
}

TEST_F(DevicesOf, ARepetitionBehindABadItemIsNotTakenForOne) {
    ServerConfig config;
    config.listeners[0].address = "127.0.0.1:0";
    config.listeners[0].framing = Framing::json;
    config.listeners[0].acks = true;
    auto started = Server::start(config, [this](unsigned) { return log_.make_handler(); });
    ASSERT_TRUE(started);
    TestDevice device(started.value()->status().listeners[0].bound);
    device.send_raw(R"({"hello":{"id":"j1","session":"s1"}})");
    see("connected j1");
    // The second item has no key. Then the first is repeated, and the third follows it on the same line.
    device.send_raw(R"({"ip":"a","seq":1}{"seq":2})"
                    "\n"
                    R"({"ip":"a","seq":1}{"ip":"a","seq":3})");
    see("refused j1 2");
    see("item j1 3");
}

TEST_F(DevicesOf, AcksThatAreSwitchedOnHoldForTheNextHelloOfALivingConnection) {
    TestDevice device = connect(1);
    see("connected -");
    switch_acks(1, true);
    device.send_raw(R"({"hello":{"id":"d1","session":"s1"}})"
                    "\n" +
                    item(1));
    EXPECT_EQ(device.line(), R"({"resume":0})");
    EXPECT_EQ(device.line(), R"({"ack":1})");
}

TEST_F(DevicesOf, ASessionThatHasBegunKeepsItsAcksWhenTheyAreSwitchedOff) {
    TestDevice device = greet(R"({"id":"d1","session":"s1"})");
    EXPECT_EQ(device.line(), R"({"resume":0})");
    switch_acks(0, false);
    device.send_raw(item(1));
    EXPECT_EQ(device.line(), R"({"ack":1})");
    TestDevice later = greet(R"({"id":"d2","session":"s1"})");
    later.send_raw(item(1));
    see("item d2 10.0.0.1");  // by its key: the item is not numbered
}

TEST_F(DevicesOf, AConnectionThatWaitsForItsHelloIsReportedWhenAcksAreSwitchedOff) {
    TestDevice device = connect();
    ASSERT_TRUE(comes_true([this] { return server_->status().listeners[0].connections == 1; }));
    switch_acks(0, false);
    see("connected -");
    device.send("10.0.0.1");
    see("item - 10.0.0.1");
    EXPECT_THAT(log_.told(), ElementsAre("connected -", "item - 10.0.0.1"));
}

TEST(DeviceSessions, AcksThatTheHandlerCannotGiveWaitForARestart) {
    ServerConfig config;
    config.listeners[0].address = "127.0.0.1:0";
    TestGateway gateway(config);
    config.listeners[0].acks = true;
    config.listeners[0].max_bad_items = 5;
    config.listeners.push_back(config.listeners[0]);
    config.listeners[1].name = "fresh";
    const auto report = gateway.apply(config);
    EXPECT_THAT(report.applied, ElementsAre(::testing::HasSubstr("max_bad_items"), ::testing::HasSubstr("added at")));
    EXPECT_THAT(report.needs_restart,
                ElementsAre(::testing::StartsWith("acks of listener \"devices\": runs with false"),
                            ::testing::StartsWith("acks of listener \"fresh\": runs with false")));
    TestDevice device(gateway.bound("fresh"));
    gateway.send_and_see(device, "it is taken");
}

TEST(DeviceSessions, AcksNeedAHandlerThatIsDurable) {
    ServerConfig config;
    config.listeners[0].address = "127.0.0.1:0";
    config.listeners[0].acks = true;
    TestEvents events;
    const auto started = Server::start(config, [&events](unsigned) { return std::make_unique<TestHandler>(events); });
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message, ::testing::HasSubstr("acks = true"));
}

}  // namespace
}  // namespace holdfast
