#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Returns a listening socket of a program, as a service manager passes it on.
UniqueFd listening_socket() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress name = to_socket_address(parse_endpoint("127.0.0.1:0").value());
    EXPECT_EQ(::bind(socket.get(), name.get(), name.length), 0);
    EXPECT_EQ(::listen(socket.get(), 16), 0);
    return socket;
}

ServerConfig on_descriptor(int descriptor, unsigned reactors = 2) {
    ServerConfig config;
    config.reactors = reactors;
    config.listeners[0].descriptor = descriptor;
    config.listeners[0].address = "is not read";
    return config;
}

Error refusal_of(int descriptor) {
    const auto started = Server::start(on_descriptor(descriptor), [](unsigned) { return nullptr; });
    EXPECT_FALSE(started);
    return started.error();
}

TEST(Descriptor, AnInheritedSocketIsListenedOnByAllReactors) {
    const UniqueFd socket = listening_socket();
    TestGateway gateway(on_descriptor(socket.get()));
    EXPECT_EQ(gateway.bound("devices"), local_endpoint(socket.get()).value());
    std::vector<TestDevice> devices;
    for (int i = 0; i < 20; ++i) {
        devices.emplace_back(gateway.bound("devices"));
        gateway.send_and_see(devices.back(), std::to_string(i));
    }
    EXPECT_EQ(gateway.status("devices").connections, 20U);
    EXPECT_NE(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(Descriptor, AConnectionThatWaitedHasThePlan) {
    const UniqueFd socket = listening_socket();
    TestDevice early(local_endpoint(socket.get()).value());
    early.send("early");
    ServerConfig config = on_descriptor(socket.get(), 1);
    config.listeners[0].detect_within = 10s;
    TestGateway gateway(config);
    EXPECT_NE(gateway.events().listener_of("early"), "");
    for (int fd = 3; fd < 1'024; ++fd) {
        SocketAddress peer;
        if (::getpeername(fd, peer.get(), &peer.length) != 0 || to_endpoint(peer) != early.local()) continue;
        int idle = 0;
        socklen_t length = sizeof idle;
        EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &length), 0);
        EXPECT_EQ(idle, gateway.status("devices").plan.idle.count());
        return;
    }
    ADD_FAILURE() << "the gateway's end is not found";
}

TEST(Descriptor, TheProgramKeepsItsOwn) {
    const UniqueFd socket = listening_socket();
    const Endpoint address = local_endpoint(socket.get()).value();
    for (int round = 0; round < 2; ++round) {
        TestGateway gateway(on_descriptor(socket.get()));
        TestDevice device(address);
        gateway.send_and_see(device, "one");
    }
    EXPECT_TRUE(TestDevice::can_connect(address)) << "it still listens";
}

TEST(Descriptor, OtherDescriptorsAreRefused) {
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const UniqueFd unbound(::socket(AF_INET, SOCK_STREAM, 0));
    const UniqueFd datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
    const UniqueFd local(::socket(AF_UNIX, SOCK_STREAM, 0));
    const std::array<std::pair<int, const char*>, 6> wrong{{{-1, "is not open"},
                                                            {1'000'000, "is not open"},
                                                            {file.get(), "is no socket"},
                                                            {unbound.get(), "does not listen"},
                                                            {datagrams.get(), "is a socket of another protocol"},
                                                            {local.get(), "is a socket of another protocol"}}};
    for (const auto& [descriptor, why] : wrong) {
        const Error error = refusal_of(descriptor);
        EXPECT_THAT(error.message, HasSubstr(why));
        EXPECT_EQ(error.code, ErrorCode::invalid_config) << error.message;
        EXPECT_EQ(error.field, "listeners[0].descriptor");
    }
    const UniqueFd socket = listening_socket();
    ServerConfig twice = on_descriptor(socket.get());
    twice.listeners.push_back(twice.listeners[0]);
    twice.listeners[1].name = "second";
    EXPECT_THAT(Server::start(twice, [](unsigned) { return nullptr; }).error().message, HasSubstr("same descriptor"));
}

TEST(Descriptor, AReloadAddsAndRemovesOne) {
    const UniqueFd socket = listening_socket();
    const UniqueFd other = listening_socket();
    ServerConfig config = on_descriptor(socket.get());
    TestGateway gateway(config);
    config.listeners.push_back({.name = "second", .descriptor = other.get()});
    EXPECT_THAT(gateway.apply(config).applied, ElementsAre(HasSubstr("listener \"second\" added at 127.0.0.1:")));
    TestDevice device(gateway.bound("second"));
    gateway.send_and_see(device, "two");
    config.listeners[0].descriptor = 0;
    config.listeners[0].read_idle = 60s;
    const ApplyReport report = gateway.apply(config);
    EXPECT_THAT(report.needs_restart, ElementsAre(HasSubstr("descriptor of listener \"devices\"")));
    EXPECT_EQ(gateway.server().config().listeners[0].descriptor, socket.get());
    config.listeners.push_back({.name = "third", .descriptor = socket.get()});
    const auto taken = gateway.server().apply(config);
    ASSERT_FALSE(taken) << "two listeners would accept from one queue";
    EXPECT_THAT(taken.error().message, HasSubstr("listener \"third\": listener \"devices\" has this socket until"));
    config.listeners.pop_back();
    config.listeners[0].descriptor = socket.get();
    config.listeners.pop_back();
    static_cast<void>(gateway.apply(config));
    EXPECT_TRUE(device.ended());
    TestDevice waits(local_endpoint(other.get()).value());
    EXPECT_EQ(waits.error(), 0) << "the program's own socket still listens, and nothing accepts";
    config.listeners.push_back({.name = "heir", .descriptor = other.get()});
    static_cast<void>(gateway.apply(config));
    gateway.send_and_see(waits, "waited");
    TestDevice stays(gateway.bound("devices"));
    gateway.send_and_see(stays, "three");
}

}  // namespace
}  // namespace holdfast
