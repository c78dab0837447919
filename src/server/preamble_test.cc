#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

// Tests of the preamble: the PROXY header, over loopback and through the public Server.
namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string local_v1 = "PROXY UNKNOWN\r\n";
std::string v1_of(const std::string& address, int port = 51'514) {
    return "PROXY TCP4 " + address + " 10.0.0.1 " + std::to_string(port) + " 7000\r\n";
}
Endpoint at(const std::string& text) { return parse_endpoint(text).value(); }

ServerConfig behind_a_proxy() {
    ServerConfig config;
    config.listeners[0].address = "127.0.0.1:0";
    config.listeners[0].proxy_protocol = ProxyProtocol::v1;
    config.listeners[0].trusted_proxies = {"127.0.0.0/8"};
    config.reactors = 1;
    return config;
}

ConnectionPage list_of(TestGateway& gateway, const std::string& prefix) {
    ConnectionQuery query;
    query.peer = parse_prefix(prefix).value();
    return gateway.server().list(query);
}

std::uint64_t refused(const TestGateway& gateway, RefusedBy limit) {
    return gateway.status("devices").refused[static_cast<std::size_t>(limit)];
}

TEST(Preamble, TheHeaderNamesThePeer) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    device.send_raw(v1_of("192.0.2.1") + "{\"ip\":\"first\"}\n{\"ip\":\"sec");
    EXPECT_EQ(gateway.events().listener_of("first"), "devices");
    device.send_raw("ond\"}\n");
    EXPECT_EQ(gateway.events().listener_of("second"), "devices");
    const auto page = list_of(gateway, "192.0.2.0/24");
    ASSERT_EQ(page.total, 1U);
    EXPECT_EQ(page.rows[0].peer, at("192.0.2.1:51514"));
    EXPECT_EQ(page.rows[0].liveness, LivenessOf::path);
    EXPECT_EQ(page.rows[0].bytes_in, 15U + 16U) << "the header's bytes are not the device's";
    device.close();
    EXPECT_EQ(gateway.events().reason_of(at("192.0.2.1:51514")), CloseReason::peer_closed);
}

TEST(Preamble, AHeaderMayComeByteByByte) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    for (const char byte : v1_of("192.0.2.1")) {
        EXPECT_EQ(gateway.server().list({}).total, 0U);
        EXPECT_EQ(gateway.status("devices").accepted, 0U);
        device.send_raw({byte});
    }
    gateway.send_and_see(device, "item");
    EXPECT_EQ(gateway.status("devices").accepted, 1U);
    EXPECT_EQ(gateway.status("devices").opening, 0U);
}

TEST(Preamble, WhatIsNoHeaderEndsIt) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    device.send("no-header");
    EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::proxy_header_invalid);
    EXPECT_TRUE(gateway.until([&] { return gateway.server().closed({}).size() == 1; }));
    const auto closed = gateway.server().closed({});
    EXPECT_EQ(closed[0].detail,
              "the connection does not begin with a PROXY v1 header; configure the proxy to send one; 19 bytes were "
              "left unread");
    EXPECT_EQ(closed[0].items, 0U);
    EXPECT_EQ(gateway.status("devices").accepted, 1U);
    EXPECT_EQ(gateway.status("devices").connections, 0U);
}

TEST(Preamble, APartOfAHeaderAndTheEndIsAnEnd) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    device.send_raw("PROXY TCP4 192.");
    const Endpoint proxy = device.local();
    device.close();
    EXPECT_EQ(gateway.events().reason_of(proxy), CloseReason::peer_closed);
}

TEST(Preamble, HealthChecksOfTheProxyAreNoConnections) {
    TestGateway gateway(behind_a_proxy());
    for (const std::string& said : {std::string(), local_v1}) {
        TestDevice check(gateway.bound("devices"));
        check.send_raw(said);
        check.close();
    }
    EXPECT_TRUE(gateway.until([&] { return gateway.status("devices").health_checks == 2; }));
    const ListenerStatus status = gateway.status("devices");
    EXPECT_EQ(status.accepted, 0U);
    EXPECT_EQ(status.connections, 0U);
    EXPECT_EQ(status.opening, 0U);
    EXPECT_EQ(gateway.server().closed({}).size(), 0U);
    EXPECT_EQ(gateway.server().status().events, 0U);
}

TEST(Preamble, AnUnknownPeerHasTheProxysAddress) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    device.send_raw(local_v1);
    gateway.send_and_see(device, "unknown");
    EXPECT_EQ(gateway.server().list({}).rows.at(0).peer, device.local());
}

TEST(Preamble, OnlyProxiesAreAccepted) {
    ServerConfig config = behind_a_proxy();
    config.listeners[0].trusted_proxies = {"10.0.0.0/8", "127.0.0.2"};
    TestGateway gateway(config);
    TestDevice device(gateway.bound("devices"));
    EXPECT_TRUE(device.ended());
    EXPECT_EQ(refused(gateway, RefusedBy::untrusted_proxy), 1U);
    EXPECT_EQ(gateway.status("devices").accepted, 0U);
    EXPECT_EQ(gateway.server().status().events, 0U);
}

TEST(Preamble, TheLimitsAreTheDevicesAndNotTheProxys) {
    ServerConfig config = behind_a_proxy();
    config.limits.max_connections_per_peer = 1;
    TestGateway gateway(config);
    std::vector<std::unique_ptr<TestDevice>> devices;
    for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
        devices.push_back(std::make_unique<TestDevice>(gateway.bound("devices")));
        devices.back()->send_raw(v1_of(address));
        gateway.send_and_see(*devices.back(), address);
    }
    TestDevice one_more(gateway.bound("devices"));
    one_more.send_raw(v1_of("192.0.2.1", 2));
    EXPECT_TRUE(one_more.ended());
    EXPECT_EQ(refused(gateway, RefusedBy::max_connections_per_peer), 1U);
    EXPECT_EQ(gateway.status("devices").accepted, 3U);
    EXPECT_EQ(gateway.server().status().events, 6U) << "the one that was turned away has none";
    devices.erase(devices.begin());
    EXPECT_TRUE(gateway.until([&] { return gateway.status("devices").connections == 2; }));
    TestDevice again(gateway.bound("devices"));
    again.send_raw(v1_of("192.0.2.1", 3));
    gateway.send_and_see(again, "again");
}

TEST(Preamble, StopsWithTheGateway) {
    TestGateway gateway(behind_a_proxy());
    TestDevice device(gateway.bound("devices"));
    device.send_raw("PROXY ");
    EXPECT_TRUE(gateway.until([&] { return gateway.status("devices").opening == 1; }));
    gateway.server().drain();
    EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::shutdown);
    EXPECT_TRUE(device.ended());
}

TEST(Preamble, AReloadChangesOnlyTheTrustedProxies) {
    ServerConfig config = behind_a_proxy();
    TestGateway gateway(config);
    TestDevice before(gateway.bound("devices"));
    before.send_raw("PROXY ");
    EXPECT_TRUE(gateway.until([&] { return gateway.status("devices").opening == 1; }));
    config.listeners[0].trusted_proxies = {"10.0.0.0/8"};
    EXPECT_THAT(gateway.apply(config).applied,
                ElementsAre("trusted_proxies of listener \"devices\": [\"127.0.0.0/8\"] -> [\"10.0.0.0/8\"]"));
    EXPECT_TRUE(TestDevice(gateway.bound("devices")).ended());
    before.send_raw("TCP4 192.0.2.1 10.0.0.1 1 2\r\n");
    gateway.send_and_see(before, "it was there");

    config.listeners[0].proxy_protocol = ProxyProtocol::off;
    config.listeners[0].trusted_proxies.clear();
    const ApplyReport report = gateway.apply(config);
    EXPECT_THAT(report.applied, IsEmpty());
    EXPECT_THAT(
        report.needs_restart,
        ElementsAre("proxy_protocol of listener \"devices\": runs with v1, configured as off; restart to apply it",
                    "trusted_proxies of listener \"devices\": runs with [\"10.0.0.0/8\"], configured as []; restart to "
                    "apply it"));
    EXPECT_TRUE(TestDevice(gateway.bound("devices")).ended()) << "whom it trusts stays, too";
}

/// Connects from the address `source`.
UniqueFd connect_from(const std::string& source, const Endpoint& to) {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress from = to_socket_address(parse_endpoint(source + ":0").value());
    EXPECT_EQ(::bind(socket.get(), from.get(), from.length), 0);
    const SocketAddress gateway = to_socket_address(to);
    EXPECT_EQ(::connect(socket.get(), gateway.get(), gateway.length), 0);
    return socket;
}

void send_item(const UniqueFd& socket, const std::string& key) {
    const std::string text = "{\"ip\":\"" + key + "\"}\n";
    EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

ServerConfig limited(std::size_t rate, unsigned reactors) {
    ServerConfig config;
    config.reactors = reactors;
    config.listeners[0].address = "127.0.0.1:0";
    config.limits.accept_rate = rate;
    return config;
}

/// At a rate of one a second, 300 connections of one source need five minutes. A newcomer of another source waits for
/// one turn at most.
TEST(AcceptRate, OneSourceDelaysNoOther) {
    for (const unsigned reactors : {1U, 2U}) {
        TestGateway gateway(limited(1, reactors));
        const Endpoint to = gateway.server().status().listeners[0].bound;
        std::vector<UniqueFd> crowd;
        for (int i = 0; i < 300; ++i) crowd.push_back(connect_from("127.0.0.9", to));
        ASSERT_TRUE(gateway.until([&] { return gateway.server().status().listeners[0].accept_waiting > 280; }));
        const UniqueFd newcomer = connect_from("127.0.1.1", to);
        send_item(newcomer, "newcomer");
        EXPECT_NE(gateway.events().listener_of("newcomer"), "");
        EXPECT_GT(gateway.server().status().listeners[0].accept_waiting, 200U);
    }
}

TEST(AcceptRate, AbandonedConnectionsCostNoTurnAndAreRead) {
    TestGateway gateway(limited(1, 1));
    const auto status = [&gateway] { return gateway.server().status().listeners[0]; };
    std::vector<UniqueFd> crowd;
    for (int i = 0; i < 200; ++i) {
        crowd.push_back(connect_from("127.0.0.9", status().bound));
        send_item(crowd.back(), std::to_string(i));
    }
    ASSERT_TRUE(gateway.until([&] { return status().accept_waiting > 180; }));
    EXPECT_LT(status().connections, 20U);
    crowd.clear();
    EXPECT_TRUE(gateway.until([&] { return status().items == 200; }));
    EXPECT_TRUE(
        gateway.until([&] { return status().closed[static_cast<std::size_t>(CloseReason::peer_closed)] == 200; }));
    EXPECT_EQ(status().accept_waiting + status().connections, 0U);
    EXPECT_EQ(status().accepted, 200U);
}

TEST(AcceptRate, WaitingDoesNotTakeAllPlaces) {
    ServerConfig config = limited(1, 1);
    config.limits.max_connections = 50;
    TestGateway gateway(config);
    const auto status = [&gateway] { return gateway.server().status().listeners[0]; };
    const auto refused = [&status] { return status().refused[static_cast<std::size_t>(RefusedBy::max_connections)]; };
    std::vector<UniqueFd> crowd;
    for (int i = 0; i < 80; ++i) crowd.push_back(connect_from("127.0.0.9", status().bound));
    ASSERT_TRUE(gateway.until([&] { return refused() == 30; }));
    const UniqueFd newcomer = connect_from("127.0.1.1", status().bound);
    send_item(newcomer, "newcomer");
    EXPECT_NE(gateway.events().listener_of("newcomer"), "");
    EXPECT_EQ(refused(), 31U);
    EXPECT_EQ(status().accept_waiting + status().connections, 50U);
}

TEST(AcceptRate, AReloadWithoutItLetsAllIn) {
    ServerConfig config = limited(1, 2);
    TestGateway gateway(config);
    config.listeners[0].address = to_string(gateway.server().status().listeners[0].bound);
    const auto status = [&gateway] { return gateway.server().status().listeners[0]; };
    std::vector<UniqueFd> crowd;
    for (int i = 0; i < 600; ++i) crowd.push_back(connect_from("127.0.0.9", status().bound));
    ASSERT_TRUE(gateway.until([&] { return status().accept_waiting > 550; }));
    config.limits.accept_rate = 0;
    static_cast<void>(gateway.apply(config));
    EXPECT_TRUE(gateway.until([&] { return status().connections == 600; }));
    EXPECT_EQ(status().accept_waiting, 0U);
}

}  // namespace

}  // namespace holdfast
