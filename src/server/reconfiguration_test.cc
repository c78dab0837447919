#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tcp/sockaddr.h"
#include "testing/gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ListenerConfig listener(const std::string& name) {
    ListenerConfig config;
    config.name = name;
    config.address = "127.0.0.1:0";
    return config;
}

ServerConfig config_of(std::vector<ListenerConfig> listeners) {
    ServerConfig config;
    config.listeners = std::move(listeners);
    config.reactors = 2;
    return config;
}

int option_of(int fd, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, option, &value, &length), 0);
    return value;
}

/// Returns the gateway's descriptor of a device's connection; both ends are in this process. A device of another
/// listener may have the same port.
int gateways_end(const TestDevice& device) {
    for (int fd = 3; fd < 1'024; ++fd) {
        SocketAddress peer;
        if (::getpeername(fd, peer.get(), &peer.length) != 0 || to_endpoint(peer) != device.local()) continue;
        if (const auto local = local_endpoint(fd); local && local.value() == device.remote()) return fd;
    }
    ADD_FAILURE() << "no socket of " << to_string(device.local());
    return -1;
}

TEST(Apply, AnAddedListenerAcceptsAndTheOthersStay) {
    TestGateway gateway(config_of({listener("a")}));
    TestDevice old(gateway.bound("a"));
    gateway.send_and_see(old, "before");
    const auto report = gateway.apply(config_of({listener("a"), listener("b")}));
    EXPECT_THAT(report.applied, ElementsAre(HasSubstr("listener \"b\" added at 127.0.0.1:")));
    EXPECT_THAT(report.needs_restart, IsEmpty());
    TestDevice fresh(gateway.bound("b"));
    gateway.send_and_see(fresh, "hello");
    gateway.send_and_see(old, "after");
    EXPECT_EQ(gateway.events().listener_of("hello"), "b");
    EXPECT_EQ(gateway.status("b").connections, 1U);
    EXPECT_EQ(gateway.status("b").items, 1U);
    EXPECT_EQ(gateway.status("b").number, 1U);
}

TEST(Apply, ARemovedListenersConnectionsEndAsDrainedAndTheirItemsArrive) {
    TestGateway gateway(config_of({listener("a"), listener("b")}));
    const Endpoint gone = gateway.bound("b");
    TestDevice stays(gateway.bound("a"));
    TestDevice leaves(gone);
    gateway.send_and_see(stays, "one");
    gateway.send_and_see(leaves, "two");
    leaves.send("last words");
    const auto report = gateway.apply(config_of({listener("a")}));
    EXPECT_THAT(report.applied, ElementsAre("listener \"b\" removed: its 1 connections end as drained"));
    EXPECT_TRUE(leaves.ended());
    EXPECT_EQ(gateway.events().reason_of(leaves.local()), CloseReason::drained);
    EXPECT_EQ(gateway.events().listener_of("last words"), "b");
    EXPECT_FALSE(TestDevice::can_connect(gone));
    gateway.send_and_see(stays, "three");
    const ListenerStatus end = gateway.status("b");  // still listed
    EXPECT_TRUE(end.removed);
    EXPECT_EQ(end.connections, 0U);
    EXPECT_EQ(end.closed[static_cast<std::size_t>(CloseReason::drained)], 1U);
}

TEST(Apply, AddRemoveAndAddAgainUnderOneName) {
    TestGateway gateway(config_of({listener("a"), listener("b")}));
    for (int round = 0; round < 20; ++round) {
        TestDevice device(gateway.bound("b"));
        gateway.send_and_see(device, "round " + std::to_string(round));
        static_cast<void>(gateway.apply(config_of({listener("a")})));
        EXPECT_TRUE(device.ended());
        static_cast<void>(gateway.apply(config_of({listener("a"), listener("b")})));
        EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::drained);
        EXPECT_EQ(gateway.server().status().listeners.size(), 2U);
        EXPECT_EQ(gateway.status("b").number, 1U);
        EXPECT_FALSE(gateway.status("b").removed);
        EXPECT_EQ(gateway.status("b").accepted, static_cast<unsigned>(round + 1)) << "its figures go on";
    }
}

TEST(Apply, ARenamedListenerRefusesNoConnection) {
    TestGateway gateway(config_of({listener("a")}));
    ListenerConfig named = listener("name-0");
    named.address = to_string(gateway.bound("a"));
    static_cast<void>(gateway.apply(config_of({named})));
    std::atomic<bool> stop{false};
    std::atomic<bool> called{false};
    std::map<int, int> outcomes;  // by errno; used by the thread until join()
    std::thread caller([&, at = gateway.bound("name-0")] {
        for (int i = 0; i < 10'000 && !stop; ++i) {
            ++outcomes[TestDevice(at).error()];
            called = true;
        }
    });
    EXPECT_TRUE(comes_true([&] { return called.load(); }));  // the loop below could otherwise end before the first call
    for (int i = 1; i <= 20; ++i) {
        named.name = "name-" + std::to_string(i);
        static_cast<void>(gateway.apply(config_of({named})));
    }
    stop = true;
    caller.join();
    EXPECT_GT(outcomes[0], 0);
    // The kernel resets a handshake that is under way while the old socket closes. The address always has a listener,
    // so no connection is refused.
    EXPECT_EQ(outcomes[ECONNREFUSED], 0);
}

TEST(Apply, AMovedListenerKeepsItsConnections) {
    TestGateway gateway(config_of({listener("a")}));
    const Endpoint before = gateway.bound("a");
    TestDevice old(before);
    gateway.send_and_see(old, "one");
    ListenerConfig moved = listener("a");
    moved.address = "127.0.0.2:0";
    const auto report = gateway.apply(config_of({moved}));
    EXPECT_THAT(report.applied, ElementsAre("address of listener \"a\": \"127.0.0.1:0\" -> \"127.0.0.2:0\""));
    EXPECT_FALSE(TestDevice::can_connect(before));
    TestDevice fresh(gateway.bound("a"));
    gateway.send_and_see(fresh, "two");
    gateway.send_and_see(old, "three");
    EXPECT_EQ(gateway.status("a").connections, 2U);
}

TEST(Apply, TwoListenersSwapTheirAddresses) {
    TestGateway gateway(config_of({listener("a"), listener("b")}));
    ListenerConfig a = listener("a");
    ListenerConfig b = listener("b");
    a.address = to_string(gateway.bound("b"));
    b.address = to_string(gateway.bound("a"));
    static_cast<void>(gateway.apply(config_of({a, b})));
    TestDevice device(parse_endpoint(a.address).value());
    gateway.send_and_see(device, "swapped");
    EXPECT_EQ(gateway.events().listener_of("swapped"), "a");
}

TEST(Apply, ANewPlanIsSetOnLivingConnectionsAndReadBack) {
    TestGateway gateway(config_of({listener("a"), listener("b")}));
    std::vector<std::unique_ptr<TestDevice>> devices;
    for (int i = 0; i < 50; ++i) {
        devices.push_back(std::make_unique<TestDevice>(gateway.bound(i % 2 == 0 ? "a" : "b")));
        gateway.send_and_see(*devices.back(), "device " + std::to_string(i));
    }
    for (const auto detect_within : {seconds(5), seconds(60), seconds(15)}) {
        ListenerConfig changed = listener("a");
        changed.detect_within = detect_within;
        static_cast<void>(gateway.apply(config_of({changed, listener("b")})));
        const LivenessPlan plan = plan_liveness(detect_within).value();
        LivenessPlan in_force = gateway.status("a").plan;
        if (in_force.rto_max == seconds(0)) in_force.rto_max = plan.rto_max;  // before Linux 6.15
        EXPECT_EQ(in_force, plan);
        const std::string notice = gateway.next_notice(Notice::Kind::plan_in_force);
        EXPECT_THAT(notice, HasSubstr("read back on 25"));
        EXPECT_THAT(notice, testing::Not(HasSubstr("mismatched")));
        for (std::size_t i = 0; i < devices.size(); ++i) {
            const int fd = gateways_end(*devices[i]);
            const LivenessPlan there = i % 2 == 0 ? plan : plan_liveness(seconds(30)).value();
            EXPECT_EQ(option_of(fd, TCP_KEEPIDLE), there.idle.count());
            EXPECT_EQ(option_of(fd, TCP_KEEPINTVL), there.interval.count());
            EXPECT_EQ(option_of(fd, TCP_KEEPCNT), there.count);
            EXPECT_EQ(option_of(fd, TCP_USER_TIMEOUT), there.user_timeout.count());
        }
        TestDevice fresh(gateway.bound("a"));
        gateway.send_and_see(fresh, "fresh " + std::to_string(detect_within.count()));
        EXPECT_EQ(option_of(gateways_end(fresh), TCP_KEEPIDLE), plan.idle.count());
        fresh.close();
        ASSERT_TRUE(gateway.until([&] { return gateway.status("a").connections == 25; }));
    }
}

TEST(Apply, OnAnErrorNothingHasChanged) {
    TestGateway gateway(config_of({listener("a")}));
    TestDevice device(gateway.bound("a"));
    gateway.send_and_see(device, "one");
    const TestDevice::OccupiedAddress taken;
    ListenerConfig changed = listener("a");
    changed.detect_within = seconds(5);
    changed.address = "127.0.0.2:0";
    ListenerConfig in_the_way = listener("c");
    in_the_way.address = to_string(taken.address());
    ServerConfig wanted = config_of({changed, listener("b"), in_the_way});
    wanted.limits.max_connections = 1;
    const Endpoint before = gateway.bound("a");
    const auto refused = gateway.server().apply(wanted);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, HasSubstr("listener \"c\": cannot listen on"));
    EXPECT_EQ(gateway.server().status().listeners.size(), 1U);
    EXPECT_EQ(gateway.bound("a"), before);
    EXPECT_EQ(gateway.status("a").plan.detect_within, seconds(30));
    EXPECT_EQ(option_of(gateways_end(device), TCP_KEEPIDLE), 10);
    EXPECT_NE(gateway.server().status().max_connections, 1U);
    gateway.send_and_see(device, "two");
}

TEST(Apply, WhatIsWrongIsRefusedBeforeAnythingElse) {
    TestGateway gateway(config_of({listener("a")}));
    ListenerConfig wrong = listener("a");
    wrong.detect_within = milliseconds(100);
    EXPECT_FALSE(gateway.server().apply(config_of({wrong})).ok());
    EXPECT_FALSE(gateway.server().apply(config_of({})).ok());
    EXPECT_FALSE(gateway.server().apply(config_of({listener("a"), listener("a")})).ok());
    EXPECT_EQ(gateway.status("a").plan.detect_within, seconds(30));
}

TEST(Apply, ALowerLimitClosesNoConnectionAndAdmitsNoneUntilThereIsRoom) {
    TestGateway gateway(config_of({listener("a")}));
    std::vector<std::unique_ptr<TestDevice>> devices;
    for (int i = 0; i < 4; ++i) {
        devices.push_back(std::make_unique<TestDevice>(gateway.bound("a")));
        gateway.send_and_see(*devices.back(), "device " + std::to_string(i));
    }
    ServerConfig wanted = config_of({listener("a")});
    wanted.limits.max_connections = 2;
    EXPECT_THAT(gateway.apply(wanted).applied, ElementsAre("max_connections in [limits]: 0 -> 2"));
    EXPECT_EQ(gateway.server().status().max_connections, 2U);
    TestDevice refused(gateway.bound("a"));
    EXPECT_TRUE(refused.ended());
    EXPECT_EQ(gateway.status("a").refused[static_cast<std::size_t>(RefusedBy::max_connections)], 1U);
    EXPECT_EQ(gateway.status("a").connections, 4U);
    for (int i = 0; i < 4; ++i)
        gateway.send_and_see(*devices[static_cast<std::size_t>(i)], "again " + std::to_string(i));
    for (int i = 0; i < 3; ++i) devices[static_cast<std::size_t>(i)]->close();
    ASSERT_TRUE(gateway.until([&] { return gateway.status("a").connections == 1; }));
    gateway.finish_turns();
    TestDevice taken(gateway.bound("a"));
    gateway.send_and_see(taken, "there is room");

    wanted.limits.max_connections = 100'000;
    static_cast<void>(gateway.apply(wanted));
    TestDevice more(gateway.bound("a"));
    gateway.send_and_see(more, "and more");
}

TEST(Apply, WhatNeedsARestartIsNamedWithBothValuesAndLeftAsItIs) {
    TestGateway gateway(config_of({listener("a")}));
    ListenerConfig changed = listener("a");
    changed.framing = Framing::json;
    changed.reuse_port = true;
    ServerConfig wanted = config_of({changed});
    wanted.reactors = 1;
    wanted.item = {.key = "id", .max_bytes = 1'024, .max_depth = 5};
    for (int round = 0; round < 2; ++round) {  // the report repeats until a restart
        const auto report = gateway.apply(wanted);
        EXPECT_THAT(report.applied, IsEmpty());
        EXPECT_THAT(
            report.needs_restart,
            ElementsAre("reactors: runs with 2, configured as 1; restart to apply it",
                        R"(key in [item]: runs with "ip", configured as "id"; restart to apply it)",
                        "max_bytes in [item]: runs with 64KiB, configured as 1KiB; restart to apply it",
                        "max_depth in [item]: runs with 64, configured as 5; restart to apply it",
                        R"(framing of listener "a": runs with ndjson, configured as json; restart to apply it)",
                        R"(reuse_port of listener "a": runs with false, configured as true; restart to apply it)"));
    }
    EXPECT_EQ(gateway.server().status().reactors, 2U);
    TestDevice device(gateway.bound("a"));
    gateway.send_and_see(device, "still ip and ndjson");
}

TEST(Apply, MaxBadItemsHoldsForLivingConnections) {
    TestGateway gateway(config_of({listener("a")}));
    TestDevice device(gateway.bound("a"));
    gateway.send_and_see(device, "good");
    ListenerConfig changed = listener("a");
    changed.max_bad_items = 2;
    static_cast<void>(gateway.apply(config_of({changed})));
    device.send_raw("no\nno\n");
    EXPECT_TRUE(device.ended());
    EXPECT_EQ(gateway.events().reason_of(device.local()), CloseReason::too_many_bad_items);
}

TEST(Apply, IsRefusedWhileTheGatewayStops) {
    TestGateway gateway(config_of({listener("a")}));
    gateway.server().drain();
    const auto refused = gateway.server().apply(config_of({listener("b")}));
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, HasSubstr("is stopping"));
}

TEST(Apply, ManyChangesWhileDevicesSendLoseNothing) {
    constexpr int device_count = 40;
    TestGateway gateway(config_of({listener("a")}));
    std::vector<std::unique_ptr<TestDevice>> devices;
    for (int i = 0; i < device_count; ++i) devices.push_back(std::make_unique<TestDevice>(gateway.bound("a")));
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> sent{0};
    std::thread sender([&] {
        while (!stop) {
            for (const auto& device : devices) device->send("item " + std::to_string(sent++));
            std::this_thread::sleep_for(milliseconds(1));  // without a pause the handler would be the limit
        }
    });
    std::thread asker([&] {
        while (!stop) {
            static_cast<void>(gateway.server().status());
            static_cast<void>(gateway.server().list(ConnectionQuery{}));
            static_cast<void>(gateway.server().probe_all(std::nullopt, milliseconds(50)));
        }
    });
    std::atomic<bool> called{false};
    std::map<int, int> outcomes;  // by errno; used by the thread until join()
    std::thread caller([&, at = gateway.bound("a")] {
        for (int i = 0; i < 10'000 && !stop; ++i) {
            ++outcomes[TestDevice(at).error()];
            called = true;
        }
    });
    EXPECT_TRUE(comes_true([&] { return called.load(); }));  // the loop below could otherwise end before the first call
    for (int round = 0; round < 20; ++round) {
        ListenerConfig changed = listener("a");
        changed.detect_within = seconds(round % 2 == 0 ? 5 : 30);
        changed.max_bad_items = static_cast<std::uint16_t>(100 + round);
        changed.backlog = 100 + round;
        std::vector<ListenerConfig> listeners{changed};
        if (round % 3 != 0) listeners.push_back(listener("b"));
        ServerConfig wanted = config_of(listeners);
        wanted.limits.downlink_queue = 1'024U * static_cast<unsigned>(round + 1);
        wanted.drain_time = milliseconds(1'000 + round);
        static_cast<void>(gateway.apply(wanted));
    }
    stop = true;
    sender.join();
    asker.join();
    caller.join();
    EXPECT_THAT(outcomes, ElementsAre(testing::Pair(0, testing::Gt(0)))) << "of an unchanged address";
    EXPECT_TRUE(gateway.until([&] { return gateway.status("a").items == sent; }))
        << gateway.status("a").items << " of " << sent;
    EXPECT_TRUE(gateway.until([&] { return gateway.status("a").connections == device_count; }));
    for (const auto& device : devices) EXPECT_FALSE(gateway.events().has_ended(device->local()));
}

}  // namespace
}  // namespace holdfast
