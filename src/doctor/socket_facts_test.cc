#include "doctor/socket_facts.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"
#include "testing/made_up_facts.h"

namespace holdfast {
namespace {

TEST(TcpRow, Ipv4) {
    const auto row = parse_tcp_row(
        "   1: 0100007F:1B58 0900020A:C93A 01 00000010:00000000 02:000000F9 00000000     0        0 4711 2 0 20 4 30 "
        "10 -1");
    ASSERT_TRUE(row);
    EXPECT_EQ(to_string(row->local), "127.0.0.1:7000");
    EXPECT_EQ(to_string(row->peer), "10.2.0.9:51514");
    EXPECT_EQ(row->state, 1U);
    EXPECT_EQ(row->send_queue, 16U);
    EXPECT_EQ(row->timer, 2U);
}

TEST(TcpRow, Ipv6) {
    const auto row = parse_tcp_row(
        "   0: B80D0120000000000000000001000000:1B58 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0");
    ASSERT_TRUE(row);
    EXPECT_EQ(to_string(row->local), "[2001:db8::1]:7000");
    EXPECT_EQ(row->state, 10U);
    EXPECT_EQ(row->timer, 0U);
}

TEST(TcpRow, WhatIsNoRow) {
    for (const char* const line :
         {"", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt",
          "0: 0100007F:1B58 0900020A:C93A 01", "0: 0100007F:1B5800 0900020A:C93A 01 0:0 0:0",
          "0: 0100007:1B58 0900020A:C93A 01 0:0 0:0", "0: 0100007F:1B58 0900020A:C93A zz 0:0 0:0"}) {
        EXPECT_FALSE(parse_tcp_row(line)) << line;
    }
}

void no_pause(std::chrono::milliseconds) {}

/// A listener of this process with a plan, and connections to it.
class OwnSockets : public testing::Test {
protected:
    OwnSockets() {
        const LivenessPlan plan = plan_liveness(std::chrono::seconds(30)).value();
        listener_ =
            std::move(listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 7}, plan)).value();
        listeners_.push_back(
            {.name = "devices", .address = local_endpoint(listener_.get()).value(), .plan = plan, .plan_refused = {}});
    }
    void connect() {
        const SocketAddress to = to_socket_address(listeners_.front().address);
        devices_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::connect(devices_.back().get(), to.get(), to.length), 0);
        accepted_.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        ASSERT_TRUE(accepted_.back().valid());
    }

    UniqueFd listener_;
    std::vector<UniqueFd> devices_;
    std::vector<UniqueFd> accepted_;
    std::vector<DemandedListener> listeners_;
};

TEST_F(OwnSockets, AreSeenWithTheirOptions) {
    connect();
    connect();
    const SocketSample sample = sample_sockets(::getpid(), listeners_, no_pause);
    EXPECT_EQ(sample.obstacle, "");
    ASSERT_EQ(sample.listening.size(), 1U);
    EXPECT_EQ(sample.listening.front().backlog, 7U);
    ASSERT_EQ(sample.connections.size(), 2U);  // without the devices' ends
    EXPECT_EQ(sample.connections.front().options, options_of(listeners_.front().plan));
}

TEST_F(OwnSockets, ASurpriseThatStaysIsReported) {
    connect();
    const int off = 0;
    ASSERT_EQ(::setsockopt(accepted_.front().get(), SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off), 0);
    const SocketSample sample = sample_sockets(::getpid(), listeners_, no_pause);
    ASSERT_EQ(sample.connections.size(), 1U);
    EXPECT_FALSE(sample.connections.front().options.keepalive);
}

TEST_F(OwnSockets, ASurpriseThatPassesIsNone) {
    connect();
    force_probe(accepted_.front().get());
    int pauses = 0;
    const SocketSample sample = sample_sockets(::getpid(), listeners_, [&](std::chrono::milliseconds) {
        if (++pauses == 2) set_keepidle(accepted_.front().get(), listeners_.front().plan.idle);
    });
    EXPECT_EQ(pauses, 2);
    ASSERT_EQ(sample.connections.size(), 1U);
    EXPECT_EQ(sample.connections.front().options, options_of(listeners_.front().plan));
}

TEST_F(OwnSockets, OneThatClosesWhileItIsLookedAtIsForgotten) {
    connect();
    force_probe(accepted_.front().get());
    const SocketSample sample =
        sample_sockets(::getpid(), listeners_, [&](std::chrono::milliseconds) { accepted_.clear(); });
    EXPECT_TRUE(sample.connections.empty());
}

TEST_F(OwnSockets, ListeningOnNamesTheAddress) {
    const Endpoint address = listeners_.front().address;
    EXPECT_EQ(listening_on(::getpid(), address.port), std::vector<Endpoint>{address});
}

TEST_F(OwnSockets, ThisHostKeepsThePlan) {
    try_plans(listeners_);
    EXPECT_EQ(listeners_.front().plan_refused, "");
    listeners_.front().plan.interval = std::chrono::seconds(40'000);  // exceeds the kernel's limit
    try_plans(listeners_);
    EXPECT_NE(listeners_.front().plan_refused, "");
}

TEST(Process, AgeDistinguishesAPidOfAnotherHost) {
    EXPECT_TRUE(is_process_of_age(::getpid(), 0));
    EXPECT_FALSE(is_process_of_age(::getpid(), 1e6));
    EXPECT_FALSE(is_process_of_age(0x7fffffff, 0));
    EXPECT_EQ(shares_network_with(::getpid()), true);
    EXPECT_EQ(shares_network_with(0x7fffffff), std::nullopt);
}

}  // namespace
}  // namespace holdfast
