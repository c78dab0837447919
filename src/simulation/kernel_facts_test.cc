#include <cerrno>
#include <chrono>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "simulation/simulated_peer.h"
#include "simulation/simulated_tcp.h"
#include "simulation/tcp_end.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

// The rows of docs/explanation/liveness.md, "The kernel's behaviour, measured", in simulated time.

struct FactRig {
    explicit FactRig(const TcpOptions& options) {
        tcp.find_listener(listener)->options = options;
        tcp.run_until(clock.steady() + 1s);
        Endpoint from;
        fd = tcp.accept(*tcp.find_listener(listener), from);
    }
    [[nodiscard]] TcpEnd& end() { return tcp.find_link(fd)->gateway; }
    /// Returns the seconds until the kernel ends the connection, or 0 after `limit`.
    [[nodiscard]] double seconds_to_death(std::chrono::milliseconds limit) {
        const SteadyTime begin = clock.steady();
        while (!end().is_dead() && clock.steady() < begin + limit) tcp.run_until(clock.steady() + 10ms);
        return end().is_dead() ? std::chrono::duration<double>(clock.steady() - begin).count() : 0;
    }

    SimulatedClock clock;
    SimulatedTcp tcp{clock, 1};
    const int listener = tcp.listen();
    SimulatedPeer peer{tcp, listener, parse_endpoint("192.0.2.1:1000").value()};
    int fd = -1;
};

struct IdleFact {
    const char* plan;
    TcpOptions options;
    double seconds;
    unsigned probes;
};

class SilentWhileIdle : public testing::TestWithParam<IdleFact> {};

TEST_P(SilentWhileIdle, EndsAsMeasured) {
    const IdleFact& fact = GetParam();
    FactRig rig(fact.options);
    rig.peer.send("hello");
    rig.tcp.run_until(rig.clock.steady() + 80ms);
    rig.end().consume(5);
    rig.peer.vanish();
    EXPECT_NEAR(rig.seconds_to_death(60s), fact.seconds, 0.25);  // a bucket of the timer wheel
    EXPECT_EQ(rig.end().facts().probes, fact.probes);
    EXPECT_EQ(rig.end().take_error(), ETIMEDOUT);
}

INSTANTIATE_TEST_SUITE_P(Measured, SilentWhileIdle,
                         testing::Values(IdleFact{"1/1/5", {true, 1s, 1s, 5}, 6.10, 5},
                                         IdleFact{"2/2/9", {true, 2s, 2s, 9}, 20.11, 9},
                                         IdleFact{"2/1/5 UT 6.5", {true, 2s, 1s, 5, 6'500ms}, 7.09, 5},
                                         IdleFact{"1/1/9 UT 2.5", {true, 1s, 1s, 9, 2'500ms}, 3.02, 2},
                                         IdleFact{"1/1/2 UT 5.5", {true, 1s, 1s, 2, 5'500ms}, 6.10, 5},
                                         IdleFact{"3/4/9 UT 3.5", {true, 3s, 4s, 9, 3'500ms}, 7.18, 1},
                                         IdleFact{"2/1/9 UT 0.5", {true, 2s, 1s, 9, 500ms}, 2.99, 1}));

struct WriteFact {
    std::chrono::milliseconds after;
    double seconds;
};

class WriteAfterDeath : public testing::TestWithParam<WriteFact> {};

TEST_P(WriteAfterDeath, RestartsTheClockOfTheKernel) {
    FactRig rig({true, 2s, 1s, 5, 6'500ms});
    rig.peer.send("hello");
    rig.tcp.run_until(rig.clock.steady() + 50ms);
    rig.peer.vanish();
    rig.tcp.run_until(rig.clock.steady() + GetParam().after);
    EXPECT_EQ(rig.end().write("0123456789abc"), 13U);
    const double waited = std::chrono::duration<double>(GetParam().after).count();
    EXPECT_NEAR(waited + rig.seconds_to_death(60s), GetParam().seconds, 0.3);
    EXPECT_GT(rig.end().facts().retransmits, 3U);
}

INSTANTIATE_TEST_SUITE_P(Measured, WriteAfterDeath,
                         testing::Values(WriteFact{1'500ms, 8.43}, WriteFact{3'500ms, 10.42},
                                         WriteFact{6'200ms, 13.12}));

TEST(KernelFacts, DataInFlightEndsByTheUserTimeout) {
    FactRig rig({true, 1s, 1s, 3, 2s});
    rig.peer.vanish();
    EXPECT_EQ(rig.end().write("0123456789abc"), 13U);
    EXPECT_NEAR(rig.seconds_to_death(60s), 2.45, 0.3);
    EXPECT_GE(rig.end().facts().retransmits, 3U);
    EXPECT_EQ(rig.end().facts().probes, 0U);
    EXPECT_EQ(rig.end().facts().bytes_sent - rig.end().facts().bytes_acked, 13U);
    EXPECT_EQ(rig.end().facts().segments_out, 0U);
}

TEST(KernelFacts, DataInFlightWithoutAUserTimeoutOutlivesKeepalive) {
    FactRig rig({true, 1s, 1s, 3});
    rig.peer.vanish();
    EXPECT_EQ(rig.end().write("0123456789abc"), 13U);
    EXPECT_EQ(rig.seconds_to_death(20s), 0);
    EXPECT_EQ(rig.end().facts().retransmits, 6U);
    EXPECT_NEAR(20 + rig.seconds_to_death(30min), 924, 20);  // tcp_retries2
}

TEST(KernelFacts, AZeroWindowEndsByTheUserTimeout) {
    FactRig rig({true, 1s, 1s, 3, 5s});
    rig.peer.read_at(0);
    EXPECT_GT(rig.end().write(std::string(TcpEnd::send_room, 'x')), 0U);
    rig.tcp.run_until(rig.clock.steady() + 100ms);
    EXPECT_EQ(rig.end().facts().peer_window, 0U);
    EXPECT_GT(rig.end().facts().not_sent, 0U);
    EXPECT_NEAR(rig.seconds_to_death(60s), 5.29, 0.5);
}

TEST(KernelFacts, AZeroWindowWithoutAUserTimeoutStays) {
    FactRig rig({true, 1s, 1s, 3});
    rig.peer.read_at(0);
    EXPECT_GT(rig.end().write(std::string(TcpEnd::send_room, 'x')), 0U);
    EXPECT_EQ(rig.seconds_to_death(1h), 0);
    rig.peer.read_at(std::nullopt);
    rig.tcp.run_until(rig.clock.steady() + 3min);
    EXPECT_EQ(rig.peer.received().size(), TcpEnd::send_room);
}

// TCP_RTO_MAX_MS: after an outage of 14 s the answer came after 15.0 s with 1,000, 15.4 s with 2,000, 26.8 s without.
TEST(KernelFacts, TheCapOfTheRetransmissionTimeoutShortensTheWaitAfterAnOutage) {
    for (const auto& [cap, seconds] :
         {std::pair{1'000ms, 15.0}, std::pair{2'000ms, 15.4}, std::pair{120'000ms, 26.8}}) {
        FactRig rig({true, 10s, 1s, 16, 28s, cap});
        SimulatedPath outage = rig.tcp.find_link(rig.fd)->path;
        outage.blocked = true;
        rig.tcp.set_path(*rig.tcp.find_link(rig.fd), outage);
        EXPECT_EQ(rig.end().write("0123456789abc"), 13U);
        const SteadyTime begin = rig.clock.steady();
        rig.tcp.run_until(begin + 14s);
        outage.blocked = false;
        rig.tcp.set_path(*rig.tcp.find_link(rig.fd), outage);
        while (rig.peer.received().empty() && !rig.end().is_dead()) rig.tcp.run_until(rig.clock.steady() + 10ms);
        EXPECT_NEAR(std::chrono::duration<double>(rig.clock.steady() - begin).count(), seconds, 1.0) << cap.count();
    }
}

TEST(KernelFacts, ALoweredKeepidleProbesAtOnceAndIsAnsweredTwicePerSecond) {
    FactRig rig({true, 100s, 1s, 16, 200s});
    int fresh = 0;
    rig.tcp.run_until(rig.clock.steady() + 5s);
    for (int i = 0; i < 20; ++i) {
        TcpOptions options = rig.end().options();
        options.idle = 1s;
        const SteadyTime before = rig.end().facts().last_ack;
        rig.end().set_options(options, true);
        rig.tcp.run_until(rig.clock.steady() + 10ms);
        if (rig.end().facts().last_ack > before) ++fresh;
        options.idle = 100s;
        rig.end().set_options(options, true);
        rig.tcp.run_until(rig.clock.steady() + 90ms);
    }
    EXPECT_GE(fresh, 1);
    EXPECT_LE(fresh, 4);
}

TEST(KernelFacts, ResetAndFinShowAfterTheRemainingBytes) {
    FactRig rig({true, 10s, 1s, 16, 28s});
    rig.peer.send("hello");
    rig.peer.close();
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    EXPECT_EQ(rig.end().unread(), "hello");
    EXPECT_TRUE(rig.end().has_received_fin());
    EXPECT_FALSE(rig.end().is_dead());

    SimulatedPeer other(rig.tcp, rig.listener, parse_endpoint("192.0.2.2:1000").value());
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    Endpoint from;
    const int fd = rig.tcp.accept(*rig.tcp.find_listener(rig.listener), from);
    other.send("hello");
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    other.reset();
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    EXPECT_EQ(rig.tcp.find_link(fd)->gateway.unread(), "hello");
    EXPECT_EQ(rig.tcp.find_link(fd)->gateway.take_error(), ECONNRESET);
}

/// A calm connection is not simulated probe by probe; its facts must be those of one that is.
TEST(KernelFacts, CalmProbesLeaveTheSameFacts) {
    const TcpOptions options{true, 10s, 1s, 16, 28s};
    FactRig calm(options);
    calm.tcp.run_until(calm.clock.steady() + 1h);
    const auto age = calm.clock.steady() - calm.end().facts().last_ack;
    EXPECT_LT(age, 10'300ms);
    EXPECT_EQ(calm.end().facts().probes, 0U);
    calm.peer.vanish();
    EXPECT_NEAR(calm.seconds_to_death(60s) + std::chrono::duration<double>(age).count(), 28.5, 1.0);
}

TEST(KernelFacts, AForcedProbeOfACalmConnectionIsAnswered) {
    FactRig rig({true, 100s, 1s, 16, 200s});
    rig.tcp.run_until(rig.clock.steady() + 150s);  // calm since the first probe
    const SteadyTime begin = rig.clock.steady();
    TcpOptions options = rig.end().options();
    options.idle = 1s;
    rig.end().set_options(options, true);
    rig.tcp.run_until(begin + 10ms);
    EXPECT_GE(rig.end().facts().last_ack, begin);
    options.idle = 100s;
    rig.end().set_options(options, true);
    rig.tcp.run_until(begin + 90s);
    EXPECT_LT(rig.end().facts().last_ack, begin + 1s);
    rig.tcp.run_until(begin + 120s);
    EXPECT_GT(rig.end().facts().last_ack, begin + 90s) << "it is probed again after the idle time";
}

/// Computed probes are lost as often as simulated ones: each round with the probability of either packet's loss.
TEST(KernelFacts, CalmProbesAreLostAsThePathDemands) {
    FactRig rig({true, 10s, 1s, 16, 28s});
    rig.tcp.set_path(*rig.tcp.find_link(rig.fd), {.delay = 1ms, .loss = 0.1});
    unsigned lost = 0;
    unsigned last = 0;
    constexpr int hours = 20;
    for (const SteadyTime end = rig.clock.steady() + std::chrono::hours(hours); rig.clock.steady() < end;) {
        rig.tcp.run_until(rig.clock.steady() + 200ms);
        ASSERT_FALSE(rig.end().is_dead());
        const unsigned probes = rig.end().facts().probes;
        if (probes > last) lost += probes - last;
        last = probes;
    }
    const double rounds = hours * 3'600 / 10.4;
    EXPECT_NEAR(lost, rounds * 0.19, rounds * 0.04);
}

TEST(KernelFacts, CalmProbesKeepTheStateOfANat) {
    FactRig rig({true, 10s, 1s, 16, 28s});
    rig.tcp.set_path(*rig.tcp.find_link(rig.fd), {.delay = 1ms, .nat_timeout = 20s});
    rig.tcp.run_until(rig.clock.steady() + 10min);
    rig.peer.send("hello");
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    EXPECT_EQ(rig.end().unread(), "hello");
}

TEST(KernelFacts, AfterAPowerCutOfTheGatewayItsPeersGetRst) {
    FactRig rig({true, 10s, 1s, 16, 28s});
    rig.tcp.set_power(false);
    rig.peer.send("hello");
    rig.tcp.run_until(rig.clock.steady() + 1s);
    EXPECT_EQ(rig.peer.state(), LinkState::connected);
    rig.tcp.set_power(true);
    rig.tcp.run_until(rig.clock.steady() + 5s);
    EXPECT_EQ(rig.peer.state(), LinkState::reset);
}

TEST(TimerWheel, IsNeverEarlyAndAtMostAnEighthLate) {
    for (std::int64_t delay_ms = 4; delay_ms < 4'000'000; delay_ms += 1 + delay_ms / 7) {
        const std::chrono::milliseconds delay(delay_ms);
        const SteadyTime now = SimulatedClock::start + 3 * delay;
        EXPECT_GE(wheel_expiry(now, delay), now + delay);
        EXPECT_LE(wheel_expiry(now, delay), now + delay + delay / 7 + 3 * jiffy) << delay_ms;
    }
}

/// Whatever the path loses, the stream arrives whole, in both directions.
TEST(SimulatedTcp, LossyPathsDeliverTheStreamWhole) {
    FactRig rig({true, 10s, 1s, 16, 0ms, 2s});
    SimulatedPath path{.delay = 20ms, .loss = 0.2};
    rig.tcp.set_path(*rig.tcp.find_link(rig.fd), path);
    std::string up, down, read;
    for (int i = 0; i < 20'000; ++i) up += std::to_string(i) + ",";
    down.assign(up.rbegin(), up.rend());
    rig.peer.send(up);
    std::size_t written = 0;
    for (int step = 0; step < 100'000 && (read.size() < up.size() || rig.peer.received().size() < down.size());
         ++step) {
        written += rig.end().write(std::string_view(down).substr(written));
        read += rig.end().unread();
        rig.end().consume(rig.end().unread().size());
        rig.tcp.run_until(rig.clock.steady() + 50ms);
        ASSERT_FALSE(rig.end().is_dead());
    }
    EXPECT_TRUE(read == up);
    EXPECT_TRUE(rig.peer.received() == down);
}

TEST(SimulatedTcp, FreesConnectionsThatBothSidesAreDoneWith) {
    FactRig rig({true, 10s, 1s, 16, 28s});
    rig.peer.close();
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    const int fd = rig.fd;
    rig.tcp.close_link(*rig.tcp.find_link(fd));
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    EXPECT_EQ(rig.peer.link(), nullptr);
    SimulatedPeer next(rig.tcp, rig.listener, parse_endpoint("192.0.2.2:1000").value());
    rig.tcp.run_until(rig.clock.steady() + 10ms);
    Endpoint from;
    EXPECT_EQ(rig.tcp.accept(*rig.tcp.find_listener(rig.listener), from), fd);
}

}  // namespace
}  // namespace holdfast
