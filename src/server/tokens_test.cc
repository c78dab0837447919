// Tests of a listener with a tokens_file, over loopback and through the public Server.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/framing.h"
#include "device/token_set.h"
#include "testing/durable_log.h"
#include "testing/gateway.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Tokens : public testing::Test {
protected:
    void SetUp() override {
        first_ = add_token(file_, "d1").value();
        second_ = add_token(file_, "d2").value();
        config_.listeners[0].address = "127.0.0.1:0";
        config_.listeners[0].tokens_file = file_;
        config_.reactors = 2;
    }

    static std::string hello(const std::string& id, const std::string& token) {
        return R"({"hello":{"id":")" + id + R"(","token":")" + token + "\"}}\n";
    }
    /// Sends only these bytes, then FIN if `ends`. Expects that the connection ends as `unauthenticated` with no item
    /// admitted. Returns the detail of its end.
    std::string end_of(TestGateway& gateway, const std::string& bytes, const std::string& listener = "devices",
                       bool ends = false) {
        TestDevice device(gateway.bound(listener));
        device.send_raw(bytes);
        if (ends) device.end_sending();
        EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::unauthenticated) << bytes;
        EXPECT_EQ(device.line(), "") << "it is told nothing";
        std::string detail;
        EXPECT_TRUE(gateway.until([&] {
            for (const ClosedLife& life : gateway.server().closed({})) {
                if (life.peer != device.local()) continue;
                detail = life.detail.substr(0, life.detail.find("; "));  // without what the bytes were, and how many
                EXPECT_EQ(life.items, 0U);
                EXPECT_EQ(life.id, "");
                return true;
            }
            return false;
        }));
        EXPECT_EQ(gateway.status(listener).items, 0U);
        return detail;
    }

    static CloseReason end_of_hello(TestGateway& gateway, const std::string& listener, const std::string& bytes) {
        TestDevice device(gateway.bound(listener));
        device.send_raw(bytes);
        return gateway.events().reason_of(device.local());
    }

    const TemporaryDirectory directory_;
    const std::string file_ = directory_.in("tokens");
    std::string first_;
    std::string second_;
    ServerConfig config_;
};

TEST_F(Tokens, TheRightOneOpens) {
    TestGateway gateway(config_);
    TestDevice device(gateway.bound("devices"));
    const std::string opening = hello("d1", first_) + "{\"ip\":\"with it\"}\n{\"ip\":\"and";
    device.send_raw(opening.substr(0, 30));
    device.send_raw(opening.substr(30));
    EXPECT_EQ(gateway.events().listener_of("with it"), "devices");
    device.send_raw(" then\"}\n");
    EXPECT_EQ(gateway.events().listener_of("and then"), "devices");
    EXPECT_TRUE(gateway.server().find("d1"));
    EXPECT_EQ(gateway.status("devices").items, 2U);
}

TEST_F(Tokens, NothingElseDoes) {
    TestGateway gateway(config_);
    const std::string wrong = "the token is not valid for the id";
    EXPECT_EQ(end_of(gateway, hello("d1", second_)), wrong);
    EXPECT_EQ(end_of(gateway, hello("nobody", first_)), wrong);
    EXPECT_EQ(end_of(gateway, hello("d1", std::string(64, '0')) + "{\"ip\":\"x\"}\n"), wrong);
    EXPECT_EQ(end_of(gateway, "{\"hello\":{\"id\":\"d1\"}}\n"), "the hello has no token");
    const std::string something = "the first object is not a hello with a token";
    EXPECT_EQ(end_of(gateway, "{\"ip\":\"10.0.0.1\"}\n"), something);
    EXPECT_EQ(end_of(gateway, "GET / HTTP/1.1\r\n"), something);
    EXPECT_EQ(end_of(gateway, "{\"ip\":\"10.0.0.1\",\"hello\":{\"id\":\"d1\",\"token\":\"" + first_ + "\"}}\n"),
              something)
        << "an item that looks like a hello is an item";
    const std::string too_much = "more than 1 KiB arrived before a hello with a token";
    EXPECT_EQ(end_of(gateway, "{\"hello\":\"" + std::string(1'100, 'x')), too_much);
    EXPECT_EQ(end_of(gateway, std::string(1'100, '\n')), too_much);
    EXPECT_EQ(end_of(gateway, std::string(1'000, '\n') + hello("d1", first_)), too_much);
    EXPECT_EQ(gateway.status("devices").identified, 0U);
}

TEST_F(Tokens, IsLetInByEveryFraming) {
    for (const Framing framing : {Framing::json, Framing::length}) {
        ServerConfig config = config_;
        config.listeners[0].framing = framing;
        TestGateway gateway(config);
        TestDevice device(gateway.bound("devices"));
        std::string bytes;
        append_framed(bytes, framing, hello("d1", first_));
        append_framed(bytes, framing, R"({"ip":"item"})");
        device.send_raw(bytes);
        EXPECT_EQ(gateway.events().listener_of("item"), "devices");
        TestDevice stranger(gateway.bound("devices"));
        bytes.clear();
        append_framed(bytes, framing, hello("d1", second_));
        stranger.send_raw(bytes);
        EXPECT_EQ(gateway.events().reason_of(stranger.local()), CloseReason::unauthenticated);
    }
}

TEST_F(Tokens, OnlyAnAuthenticatedConnectionSupersedes) {
    config_.listeners.push_back(config_.listeners[0]);
    config_.listeners[1].name = "open";
    config_.listeners[1].tokens_file.clear();
    TestGateway gateway(config_);
    TestDevice proved(gateway.bound("devices"));
    proved.send_raw(hello("d1", first_));
    gateway.send_and_see(proved, "proved");
    EXPECT_EQ(end_of_hello(gateway, "devices", hello("d1", second_)), CloseReason::unauthenticated);
    EXPECT_EQ(end_of_hello(gateway, "open", "{\"hello\":{\"id\":\"d1\"}}\n"), CloseReason::unauthenticated);
    gateway.send_and_see(proved, "still here");
    TestDevice newer(gateway.bound("devices"));
    newer.send_raw(hello("d1", first_));
    gateway.send_and_see(newer, "newer");
    EXPECT_EQ(gateway.events().reason_of(proved.local()), CloseReason::superseded);
}

/// Sends items, the start of one, or FIN together with the hello.
TEST_F(Tokens, NothingIsAdmittedOfOneWithoutProofWhileTheDeviceIsThere) {
    config_.listeners.push_back(config_.listeners[0]);
    config_.listeners[1].name = "open";
    config_.listeners[1].tokens_file.clear();
    TestGateway gateway(config_);
    TestDevice proved(gateway.bound("devices"));
    proved.send_raw(hello("d1", first_));
    gateway.send_and_see(proved, "proved");
    const std::string claim = R"({"hello":{"id":"d1"}})";
    constexpr std::string_view why = "another connection has proved this id, and this one has not";
    for (const std::string behind : {"\n", "\n{\"ip\":\"1\"}\n", "\n{\"ip\":\"1\"}", "\n{\"ip\":"}) {
        EXPECT_EQ(end_of(gateway, claim + behind, "open"), why) << behind;
        EXPECT_EQ(end_of(gateway, claim + behind, "open", true), why) << behind;
    }
    EXPECT_EQ(end_of(gateway, claim, "open", true), why) << "the last object";
    EXPECT_EQ(gateway.status("open").unfinished_items, 0U);
    EXPECT_EQ(gateway.status("open").identified, 0U);
    gateway.send_and_see(proved, "still here");
}

/// Puts the end of the device and the hello of the other connection into one turn of the reactor.
TEST_F(Tokens, OneWithoutProofIsNotRefusedForADeviceThatHasEnded) {
    config_.listeners.push_back(config_.listeners[0]);
    config_.listeners[1].name = "open";
    config_.listeners[1].tokens_file.clear();
    TestGateway gateway(config_);
    TestDevice proved(gateway.bound("devices"));
    proved.send_raw(hello("d1", first_));
    gateway.send_and_see(proved, "proved");
    TestDevice open(gateway.bound("open"));
    TestDevice busy(gateway.bound("open"));
    gateway.send_and_see(busy, "is there");
    {
        const auto pause = gateway.events().pause();
        busy.send("waits");
        proved.close();
        open.send_raw("{\"hello\":{\"id\":\"d1\"}}\n{\"ip\":\"without proof\"}\n");
    }
    EXPECT_EQ(gateway.events().listener_of("without proof"), "open");
}

/// Ends the device by FIN while its item waits for the lookup of its numbers.
TEST_F(Tokens, OneWithoutProofWaitsUntilADeviceThatEndsHasBeenRead) {
    config_.listeners[0].acks = true;
    config_.listeners.push_back(config_.listeners[0]);
    config_.listeners[1].name = "open";
    config_.listeners[1].tokens_file.clear();
    TestLog log;
    log.commit_by_hand();
    auto started = Server::start(config_, [&log](unsigned) { return log.make_handler(); });
    ASSERT_TRUE(started);
    Server& server = *started.value();
    const auto told = [&](const std::string& line) {
        const auto lines = log.told();
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    };
    const auto until = [](const auto& condition) {
        const auto end = std::chrono::steady_clock::now() + test_timeout;
        while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        return condition();
    };
    TestDevice device(server.status().listeners[0].bound);
    device.send_raw(R"({"hello":{"id":"d1","session":"s1","token":")" + first_ + "\"}}\n{\"ip\":\"1\",\"seq\":1}\n");
    ASSERT_TRUE(until([&] { return told("connected d1"); }));
    device.end_sending();
    TestDevice open(server.status().listeners[1].bound);
    open.send_raw("{\"hello\":{\"id\":\"d1\"}}\n{\"ip\":\"2\"}\n");
    ASSERT_TRUE(until([&] { return server.status().listeners[1].identified == 1; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // several checks of the device
    EXPECT_FALSE(told("item d1 1"));
    log.commit_each_turn();
    EXPECT_TRUE(until([&] { return told("item d1 1") && told("closed d1 peer_closed") && told("item d1 2"); }));
}

TEST_F(Tokens, AReloadClosesConnectionsWithARevokedToken) {
    TestGateway gateway(config_);
    TestDevice one(gateway.bound("devices"));
    TestDevice two(gateway.bound("devices"));
    one.send_raw(hello("d1", first_));
    gateway.send_and_see(one, "one");
    two.send_raw(hello("d2", second_));
    gateway.send_and_see(two, "two");
    ASSERT_TRUE(revoke_tokens(file_, "d1", "").ok());
    const std::string third = add_token(file_, "d3").value();
    EXPECT_THAT(gateway.apply(config_).applied, ElementsAre("tokens of listener \"devices\": 1 added, 1 revoked"));
    EXPECT_EQ(gateway.events().reason_of(one.local()), CloseReason::kicked);
    gateway.send_and_see(two, "two again");
    TestDevice three(gateway.bound("devices"));
    three.send_raw(hello("d3", third));
    gateway.send_and_see(three, "three");
    EXPECT_EQ(end_of_hello(gateway, "devices", hello("d1", first_)), CloseReason::unauthenticated);
}

TEST_F(Tokens, AFileThatIsBadChangesNothing) {
    TestGateway gateway(config_);
    ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
    const auto report = gateway.server().apply(config_);
    ASSERT_FALSE(report.ok());
    EXPECT_THAT(report.error().message,
                HasSubstr("listener \"devices\": tokens_file \"" + file_ + "\" is accessible to others"));
    ASSERT_EQ(::unlink(file_.c_str()), 0);
    EXPECT_FALSE(gateway.server().apply(config_).ok());
    TestDevice device(gateway.bound("devices"));
    device.send_raw(hello("d1", first_));
    gateway.send_and_see(device, "as before");
}

TEST_F(Tokens, WithoutTheFileNothingStarts) {
    config_.listeners[0].tokens_file = directory_.in("other");
    const auto started = Server::start(config_, [](unsigned) { return std::unique_ptr<EventHandler>(); });
    ASSERT_FALSE(started.ok());
    EXPECT_THAT(started.error().message, HasSubstr("create it with holdfast token add"));
}

TEST_F(Tokens, StrangersAreShedFirstThoughOthersHaveBeenIdleForLonger) {
    config_.item.max_bytes = 4'096;
    config_.limits.buffer_budget = 16 * config_.item.max_bytes;
    config_.reactors = 1;
    TestGateway gateway(config_);
    std::vector<std::unique_ptr<TestDevice>> known;
    std::vector<std::unique_ptr<TestDevice>> strangers;
    for (int i = 0; i < 12; ++i) {
        known.push_back(std::make_unique<TestDevice>(gateway.bound("devices")));
        const std::string id = "known" + std::to_string(i);
        const std::string token = add_token(file_, id).value();
        ASSERT_TRUE(gateway.server().apply(config_).ok());
        known.back()->send_raw(hello(id, token));
        gateway.send_and_see(*known.back(), id);
    }
    for (int i = 0; i < 40; ++i) strangers.push_back(std::make_unique<TestDevice>(gateway.bound("devices")));
    EXPECT_TRUE(gateway.until([&] { return gateway.status("devices").connections == 52; }));
    for (const auto& device : known) device->send_raw("{\"ip\":\"" + std::string(3'000, 'x'));
    EXPECT_TRUE(gateway.until([&] { return gateway.server().status().buffer_bytes > 12 * 3'000; }));
    for (const auto& device : strangers) device->send_raw("{\"hello\":{\"id\":\"" + std::string(900, 'x'));
    EXPECT_TRUE(gateway.until([&] {
        const auto shed = gateway.status("devices").closed[static_cast<std::size_t>(CloseReason::shed)];
        return shed > 0 && gateway.server().status().buffer_stage < 3;
    }));
    for (const auto& device : known) EXPECT_FALSE(gateway.events().has_ended(device->local()));
}

TEST_F(Tokens, AStrangerIsSentNothing) {
    TestGateway gateway(config_);
    TestDevice device(gateway.bound("devices"));
    EXPECT_TRUE(gateway.until([&] { return gateway.server().list({}).total == 1; }));
    const ConnectionId id = gateway.server().list({}).rows[0].conn;
    EXPECT_EQ(gateway.server().send(id, "{}"), SendOutcome::no_such_connection);
    EXPECT_EQ(gateway.server().deliver(id, "{}", std::chrono::milliseconds(1)), Delivery::absent);
    device.send_raw(hello("d1", first_));
    gateway.send_and_see(device, "known");
    EXPECT_EQ(gateway.server().send(id, R"({"do":"report"})"), SendOutcome::queued);
    EXPECT_EQ(device.line(), R"({"do":"report"})");
}

}  // namespace
}  // namespace holdfast
