#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

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
