#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/hello.h>
#include <holdfast/testing.h>

#include "testing/made_certificates.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct Seen {
    std::vector<std::string> items;
    std::vector<CloseReason> reasons;
    std::vector<ConnectionId> conns;
    ReactorContext* context = nullptr;
    bool is_ready = true;
    std::string answer;
    bool accepts = true;
};

class Recorder final : public EventHandler {
public:
    explicit Recorder(Seen& seen) : seen_(seen) {}
    void on_start(ReactorContext& context) override { seen_.context = &context; }
    void on_connected(const ConnectedEvent& event) override { seen_.conns.push_back(event.conn); }
    void on_item(const ItemEvent& event) override {
        seen_.items.emplace_back(event.item);
        if (!seen_.answer.empty()) static_cast<void>(seen_.context->send(event.conn, seen_.answer));
    }
    void on_closed(const ClosedEvent& event) override { seen_.reasons.push_back(event.reason); }
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        if (seen_.accepts) decision.accept(event.device.id);
    }
    bool ready() override { return seen_.is_ready; }

private:
    Seen& seen_;
};

struct Rig {
    explicit Rig(const ServerConfig& config = {}, std::uint64_t seed = 1) {
        auto started = SimulatedGateway::start(config, std::make_unique<Recorder>(seen), seed);
        EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().message);
        gateway = std::move(started).value();
    }
    static ServerConfig with(ListenerConfig listener) {
        ServerConfig config;
        config.listeners = {std::move(listener)};
        return config;
    }
    [[nodiscard]] SimulatedDevice device() {
        SimulatedDevice made = gateway->connect();
        gateway->advance(10ms);
        return made;
    }
    /// Returns the seconds until the first end, at most a day.
    double seconds_to_end() {
        const auto begin = gateway->now();
        EXPECT_TRUE(gateway->advance_until([this] { return !seen.reasons.empty(); }, 24h));
        return std::chrono::duration<double>(gateway->now() - begin).count();
    }
    void expect_end(CloseReason reason) {
        ASSERT_FALSE(seen.reasons.empty());
        const Evidence evidence = gateway->closed().back().evidence;
        SCOPED_TRACE(testing::Message() << evidence.probes << " probes, " << evidence.retransmits
                                        << " retransmits, ack " << evidence.last_ack.count() << " ms, unacked "
                                        << evidence.unacked_bytes << ", unsent " << evidence.unsent_bytes << ", window "
                                        << evidence.peer_window);
        EXPECT_EQ(to_string(seen.reasons.front()), to_string(reason));
        EXPECT_EQ(seen.reasons.size(), 1U);
    }

    Seen seen;
    std::unique_ptr<SimulatedGateway> gateway;
};

const std::string item = "{\"ip\":\"10.0.0.1\"}\n";
constexpr double bound = 30;  // detect_within of the default listener, in seconds

// Every reason that a peer or the network can cause.

TEST(SimulatedReasons, PeerClosed) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.send(item);
    device.close();
    EXPECT_LT(rig.seconds_to_end(), 0.1);
    rig.expect_end(CloseReason::peer_closed);
    EXPECT_EQ(rig.seen.items.size(), 1U);
    EXPECT_EQ(device.state(), DeviceState::closed);
}

TEST(SimulatedReasons, PeerClosedByHalfAndAnswered) {
    Rig rig;
    rig.seen.answer = R"({"thanks":1})";
    SimulatedDevice device = rig.device();
    device.send(item);
    device.half_close();
    EXPECT_LT(rig.seconds_to_end(), 0.1);
    rig.expect_end(CloseReason::peer_closed);
    rig.gateway->advance(10ms);
    EXPECT_THAT(device.answers(), ElementsAre(R"({"thanks":1})"));
}

TEST(SimulatedReasons, PeerReset) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.reset();
    EXPECT_LT(rig.seconds_to_end(), 0.1);
    rig.expect_end(CloseReason::peer_reset);
}

TEST(SimulatedReasons, KeepaliveExpired) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.vanish();
    EXPECT_LT(rig.seconds_to_end(), bound);
    rig.expect_end(CloseReason::keepalive_expired);
}

TEST(SimulatedReasons, RetransmitExpired) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.vanish();
    EXPECT_EQ(rig.gateway->context().send(rig.seen.conns.front(), "{}"), SendOutcome::queued);
    EXPECT_LT(rig.seconds_to_end(), bound);
    rig.expect_end(CloseReason::retransmit_expired);
}

TEST(SimulatedReasons, RetransmitExpiredByAWriteDuringTheProbes) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.vanish();
    rig.gateway->advance(25s);
    EXPECT_EQ(rig.gateway->context().send(rig.seen.conns.front(), "{}"), SendOutcome::queued);
    EXPECT_LT(25 + rig.seconds_to_end(), bound);
    rig.expect_end(CloseReason::retransmit_expired);
}

TEST(SimulatedReasons, WindowStalled) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.stall();
    const std::string large = "{\"x\":\"" + std::string(40'000, 'x') + "\"}";
    while (rig.gateway->context().send(rig.seen.conns.front(), large) == SendOutcome::queued)
        rig.gateway->advance(10ms);
    EXPECT_LT(rig.seconds_to_end(), bound);
    rig.expect_end(CloseReason::window_stalled);
}

TEST(SimulatedReasons, Unreachable) {
    Rig rig;
    SimulatedDevice device = rig.device();
    rig.gateway->network().unreachable();
    EXPECT_EQ(rig.gateway->context().send(rig.seen.conns.front(), "{}"), SendOutcome::queued);
    EXPECT_LT(rig.seconds_to_end(), bound);
    rig.expect_end(CloseReason::unreachable);
}

TEST(SimulatedReasons, ReadIdle) {
    Rig rig;
    SimulatedDevice device = rig.device();
    EXPECT_NEAR(rig.seconds_to_end(), 300, 2);
    rig.expect_end(CloseReason::read_idle);
    rig.gateway->advance(10ms);
    EXPECT_EQ(device.state(), DeviceState::closed);
}

TEST(SimulatedReasons, ItemDeadline) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.send("{\"ip\":");
    EXPECT_NEAR(rig.seconds_to_end(), 30, 2);
    rig.expect_end(CloseReason::item_deadline);
}

TEST(SimulatedReasons, Superseded) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.send("{\"hello\":{\"id\":\"door-1\"}}\n");
    rig.gateway->advance(10ms);
    SimulatedDevice again = rig.device();
    again.send("{\"hello\":{\"id\":\"door-1\"}}\n");
    EXPECT_LT(rig.seconds_to_end(), 0.1);
    rig.expect_end(CloseReason::superseded);
    EXPECT_TRUE(rig.gateway->context().find("door-1").has_value());
}

TEST(SimulatedReasons, Unauthenticated) {
    ListenerConfig listener;
    listener.authenticate_by_program = true;
    Rig rig(Rig::with(listener));
    SimulatedDevice in = rig.device();
    in.send("{\"hello\":{\"id\":\"door-1\"}}\n");
    rig.gateway->advance(10ms);
    EXPECT_TRUE(rig.seen.reasons.empty());
    SimulatedDevice silent = rig.device();
    EXPECT_NEAR(rig.seconds_to_end(), 10, 1);
    rig.expect_end(CloseReason::unauthenticated);
}

TEST(SimulatedReasons, ItemTooLarge) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.send("{\"ip\":\"" + std::string(100'000, 'x'));
    EXPECT_LT(rig.seconds_to_end(), 1);
    rig.expect_end(CloseReason::item_too_large);
}

TEST(SimulatedReasons, TooManyBadItems) {
    Rig rig;
    SimulatedDevice device = rig.device();
    for (int i = 0; i < 100; ++i) device.send("no JSON\n");
    EXPECT_LT(rig.seconds_to_end(), 0.1);
    rig.expect_end(CloseReason::too_many_bad_items);
}

TEST(SimulatedReasons, ProxyHeaderInvalid) {
    ListenerConfig listener;
    listener.proxy_protocol = ProxyProtocol::v1;
    listener.trusted_proxies = {"0.0.0.0/0"};
    Rig rig(Rig::with(listener));
    SimulatedDevice device = rig.device();
    device.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_LT(rig.seconds_to_end(), 1);
    rig.expect_end(CloseReason::proxy_header_invalid);
}

TEST(SimulatedReasons, TlsFailed) {
    const CertificateFolder folder;
    const MadeCertificate own = make_certificate({.common_names = {"gateway"}});
    ListenerConfig listener;
    listener.tls.certificate = folder.certificates("gateway.crt", {&own});
    listener.tls.key = folder.key("gateway.key", own);
    Rig rig(Rig::with(listener));
    SimulatedDevice device = rig.device();
    device.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_LT(rig.seconds_to_end(), 1);
    rig.expect_end(CloseReason::tls_failed);
}

TEST(SimulatedReasons, Shed) {
    ServerConfig config;
    config.limits.buffer_budget = 1 << 20;
    Rig rig(config);
    std::vector<SimulatedDevice> devices;
    for (int i = 0; i < 60; ++i) {
        devices.push_back(rig.device());
        devices.back().send("{\"ip\":\"" + std::string(60'000, 'x'));
    }
    EXPECT_LT(rig.seconds_to_end(), 29);
    EXPECT_EQ(to_string(rig.seen.reasons.front()), to_string(CloseReason::shed));
}

TEST(SimulatedReasons, ShutdownAndApplication) {
    Rig rig;
    SimulatedDevice first = rig.device();
    SimulatedDevice second = rig.device();
    EXPECT_TRUE(rig.gateway->context().close(rig.seen.conns[1], {.reason = CloseReason::application, .code = 7}));
    rig.gateway->advance(10ms);
    rig.expect_end(CloseReason::application);
    EXPECT_EQ(rig.gateway->closed().front().code, 7U);
    rig.gateway->drain();
    rig.gateway->advance(10s);
    EXPECT_THAT(rig.seen.reasons, ElementsAre(CloseReason::application, CloseReason::shutdown));
    EXPECT_EQ(rig.gateway->connections(), 0U);
    SimulatedDevice late = rig.gateway->connect();
    rig.gateway->advance(10ms);
    EXPECT_EQ(late.state(), DeviceState::refused);
}

// Faults that a living connection bears.

TEST(SimulatedGateway, OutagesBelowTheSafeOneCloseNobody) {
    Rig rig;
    std::vector<SimulatedDevice> devices;
    for (int i = 0; i < 50; ++i) devices.push_back(rig.device());
    for (auto outage = 1s; outage <= 15s; outage += 1s) {
        for (std::size_t i = 0; i < devices.size(); i += 2) devices[i].send(item);
        rig.gateway->advance(100ms * outage.count());
        for (const ConnectionId conn : rig.seen.conns) static_cast<void>(rig.gateway->context().send(conn, "{}"));
        rig.gateway->network().partition();
        rig.gateway->advance(outage);
        rig.gateway->network().heal();
        for (SimulatedDevice& device : devices) device.send(item);
        rig.gateway->advance(40s);
        ASSERT_TRUE(rig.seen.reasons.empty()) << outage.count() << " s: " << to_string(rig.seen.reasons.front());
    }
}

TEST(SimulatedGateway, APauseOfTheProcessClosesNobody) {
    Rig rig;
    SimulatedDevice living = rig.device();
    SimulatedDevice partial = rig.device();
    living.send(item);
    partial.send("{\"ip\":");
    rig.gateway->advance(1s);
    rig.gateway->pause(10min);
    partial.send("\"10.0.0.2\"}\n");
    rig.gateway->advance(20s);
    EXPECT_TRUE(rig.seen.reasons.empty());
    EXPECT_EQ(rig.seen.items.size(), 2U);
}

TEST(SimulatedGateway, ASleepingDeviceComesBack) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.sleep(12s);
    rig.gateway->advance(1s);
    EXPECT_EQ(rig.gateway->context().send(rig.seen.conns.front(), R"({"wake":1})"), SendOutcome::queued);
    rig.gateway->advance(1min);
    EXPECT_TRUE(rig.seen.reasons.empty());
    EXPECT_THAT(device.answers(), ElementsAre(R"({"wake":1})"));
}

TEST(SimulatedGateway, ASlowReaderThatReadsStays) {
    Rig rig;
    SimulatedDevice device = rig.device();
    device.slow(5'000);
    const std::string large = "{\"x\":\"" + std::string(40'000, 'x') + "\"}";
    for (int minute = 0; minute < 4; ++minute) {
        static_cast<void>(rig.gateway->context().send(rig.seen.conns.front(), large));
        rig.gateway->advance(1min);
    }
    EXPECT_TRUE(rig.seen.reasons.empty());
    EXPECT_GT(device.received().size(), 150'000U);
}

TEST(SimulatedGateway, ANatThatForgetsIsFoundAndTheDeviceIsReset) {
    ListenerConfig listener;
    listener.detect_within = 30min;
    listener.read_idle = std::nullopt;
    Rig rig(Rig::with(listener));
    rig.gateway->network().nat_timeout(5min);
    SimulatedDevice device = rig.device();
    rig.gateway->advance(6min);
    device.send(item);
    rig.gateway->advance(1s);
    EXPECT_EQ(device.state(), DeviceState::reset);
    EXPECT_LT(rig.seconds_to_end(), 1'800);
    rig.expect_end(CloseReason::keepalive_expired);
}

TEST(SimulatedGateway, ANatOutlivesProbesThatComeInTime) {
    Rig rig;
    rig.gateway->network().nat_timeout(60s);
    SimulatedDevice device = rig.device();
    for (int i = 0; i < 5; ++i) {
        rig.gateway->advance(4min);
        device.send(item);
    }
    rig.gateway->advance(1s);
    EXPECT_EQ(rig.seen.items.size(), 5U);
    EXPECT_TRUE(rig.seen.reasons.empty());
}

TEST(SimulatedGateway, AHandlerThatIsNotReadyLosesNothing) {
    ListenerConfig listener;
    listener.read_idle = 20s;
    Rig rig(Rig::with(listener));
    SimulatedDevice device = rig.device();
    rig.seen.is_ready = false;
    for (int i = 0; i < 10'000; ++i) device.send(item);
    rig.gateway->advance(1min);
    EXPECT_TRUE(rig.seen.items.empty());
    rig.seen.is_ready = true;
    rig.gateway->advance(10s);
    EXPECT_EQ(rig.seen.items.size(), 10'000U);
    EXPECT_TRUE(rig.seen.reasons.empty());
}

TEST(SimulatedGateway, TimersProbesAndPostedWorkRunInSimulatedTime) {
    Rig rig;
    SimulatedDevice device = rig.device();
    int ran = 0;
    bool is_alive = false;
    rig.gateway->context().run_after(1h, [&] { ++ran; });
    EXPECT_TRUE(rig.gateway->context().post(rig.seen.conns.front(), [&](ReactorContext&) { ++ran; }));
    rig.gateway->advance(2s);
    EXPECT_EQ(ran, 1);
    EXPECT_TRUE(rig.gateway->context().probe(rig.seen.conns.front(), 2s,
                                             [&](const ProbeAnswer& answer) { is_alive = answer.alive; }));
    rig.gateway->advance(3s);
    EXPECT_TRUE(is_alive);
    device.send(item);
    rig.gateway->advance(1h);
    EXPECT_EQ(ran, 2);
}

/// Returns the ends of 20 lossy minutes.
std::vector<std::string> story_of(std::uint64_t seed) {
    Rig rig({}, seed);
    rig.gateway->network().loss(0.4);
    rig.gateway->network().delay(50ms);
    std::vector<SimulatedDevice> devices;
    for (int i = 0; i < 30; ++i) devices.push_back(rig.device());
    for (int minute = 0; minute < 20; ++minute) {
        rig.gateway->advance(1min);
        for (std::size_t i = 0; i < devices.size(); i += 3) devices[i].send(item);
    }
    std::vector<std::string> story;
    for (const ClosedLife& life : rig.gateway->closed()) {
        story.push_back(to_string(life.conn) + " " + std::string(to_string(life.reason)) + " " +
                        std::to_string(life.duration.count()) + " " + std::to_string(life.items));
    }
    return story;
}

TEST(SimulatedGateway, TheSeedRepeatsTheStory) {
    EXPECT_EQ(story_of(1), story_of(1));
    EXPECT_NE(story_of(1), story_of(2));
}

TEST(SimulatedGateway, ExplainsWhatItCannotStart) {
    Seen seen;
    ServerConfig wrong;
    wrong.listeners[0].detect_within = 1s;
    EXPECT_FALSE(SimulatedGateway::start(wrong, std::make_unique<Recorder>(seen)).ok());
    EXPECT_FALSE(SimulatedGateway::start({}, nullptr).ok());
    const Rig rig;
    EXPECT_FALSE(SimulatedGateway::start({}, std::make_unique<Recorder>(seen)).ok());
    EXPECT_THROW(static_cast<void>(rig.gateway->connect("nowhere")), Misuse);
}

TEST(SimulatedGateway, DevicesMayOutliveIt) {
    auto rig = std::make_unique<Rig>();
    SimulatedDevice device = rig->device();
    rig = nullptr;
    device.send(item);
    device.close();
    const Rig next;
    SimulatedDevice other = next.gateway->connect();
    next.gateway->advance(10ms);
    EXPECT_EQ(other.state(), DeviceState::connected);
}

}  // namespace
}  // namespace holdfast
