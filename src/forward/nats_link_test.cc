#include "forward/nats_link.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forward/nats_client.h"
#include "testing/nats_server.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::unique_ptr<NatsLink> open_link(const std::string& url) {
    auto link = NatsLink::open({.url = url, .name = "test"});
    EXPECT_TRUE(link) << link.error().message;
    return link ? std::move(link).value() : nullptr;
}

TEST(NatsLink, ConnectsAndKnowsItsServer) {
    RealServer server;
    const auto link = open_link(server.url());
    std::atomic<int> told{0};
    const auto watcher = link->on_connected([&] { ++told; });
    ASSERT_TRUE(comes_true([&] { return told == 1; })) << link->trouble();
    EXPECT_TRUE(link->connected());
    EXPECT_EQ(link->trouble(), "");
    EXPECT_EQ(link->url_in_use(), server.url());
    EXPECT_THAT(link->facts().version, StartsWith("2."));
    EXPECT_TRUE(link->facts().jetstream);
    EXPECT_EQ(link->facts().cluster, "");
    EXPECT_NE(link->connection(), nullptr);
    EXPECT_NE(link->jetstream(), nullptr);
    std::atomic<int> reported_late{0};
    const auto late = link->on_connected([&] { ++reported_late; });
    EXPECT_TRUE(comes_true([&] { return reported_late == 1; }));
    EXPECT_EQ(told, 1);
}

TEST(NatsLink, ComesBackByItself) {
    RealServer server;
    const auto link = open_link(server.url());
    std::atomic<int> told{0};
    const auto watcher = link->on_connected([&] { ++told; });
    ASSERT_TRUE(comes_true([&] { return told == 1; }));
    server.kill();
    ASSERT_TRUE(comes_true([&] { return !link->connected(); }));
    EXPECT_THAT(link->trouble(), HasSubstr("no connection to NATS at " + server.url() + " for "));
    server.start();
    ASSERT_TRUE(comes_true([&] { return told == 2; })) << link->trouble();
    EXPECT_TRUE(link->connected());
    EXPECT_EQ(link->reconnects(), 1U);
}

TEST(NatsLink, WaitsForAServerThatIsNotThereYet) {
    RealServer server;
    server.kill();
    const auto link = open_link("nats://u:hunter2@127.0.0.1:" + std::to_string(server.port()));
    ASSERT_TRUE(comes_true([&] { return link->trouble().find('(') != std::string::npos; }));
    EXPECT_THAT(link->trouble(), Not(HasSubstr("hunter2")));
    EXPECT_EQ(link->connection(), nullptr);
    server.start();
    EXPECT_TRUE(comes_true([&] { return link->connected(); })) << link->trouble();
    EXPECT_EQ(link->reconnects(), 0U);
}

TEST(NatsLink, LeavesAServerThatStandsStill) {
    RealServer server;
    const auto link = open_link(server.url());
    ASSERT_TRUE(comes_true([&] { return link->connected(); }));
    server.pause();
    EXPECT_TRUE(comes_true([&] { return !link->connected(); }));
    server.resume();
    EXPECT_TRUE(comes_true([&] { return link->connected(); }));
}

TEST(NatsLink, TakesTheNextOfSeveralServers) {
    RealServer first;
    RealServer second;
    const auto link = open_link(first.url() + "," + second.url());
    ASSERT_TRUE(comes_true([&] { return !link->url_in_use().empty(); }));
    RealServer& used = link->url_in_use() == first.url() ? first : second;
    RealServer& other = &used == &first ? second : first;
    used.kill();
    EXPECT_TRUE(comes_true([&] { return link->connected() && link->url_in_use() == other.url(); }));
}

TEST(NatsLink, ChangesItsServerOnRequest) {
    RealServer one;
    RealServer two;
    auto opened = NatsLink::open({.url = one.url() + "," + two.url(), .fresh = true});
    ASSERT_TRUE(opened);
    NatsLink& link = *opened.value();
    link.change_server();  // possibly before the first connection
    ASSERT_TRUE(comes_true([&] { return link.connected() && !link.url_in_use().empty(); }));
    const std::string first = link.url_in_use();
    // The order of the servers is random.
    ASSERT_TRUE(comes_true([&] {
        const std::uint64_t before = link.lease().number;
        link.change_server();
        EXPECT_TRUE(comes_true([&] { return link.connected() && link.lease().number > before; }));
        return link.url_in_use() != first;
    })) << link.trouble();
}

TEST(NatsLink, LogsIn) {
    RealServer server({}, R"(authorization { user: gateway, password: "hunter2" })");
    const std::string host = "127.0.0.1:" + std::to_string(server.port());
    const auto wrong = open_link("nats://gateway:hunter3@" + host);
    EXPECT_TRUE(comes_true([&] { return wrong->trouble().find("uthoriz") != std::string::npos; })) << wrong->trouble();
    EXPECT_THAT(wrong->trouble(), Not(HasSubstr("hunter")));
    const auto right = open_link("nats://gateway:hunter2@" + host);
    EXPECT_TRUE(comes_true([&] { return right->connected() && !right->url_in_use().empty(); })) << right->trouble();
    EXPECT_EQ(right->url_in_use(), "nats://" + host);
}

TEST(NatsLink, ReplacesAConnectionThatTheClientGaveUp) {
    RealServer server;
    const auto link = open_link(server.url());
    std::atomic<int> told{0};
    const auto watcher = link->on_connected([&] { ++told; });
    ASSERT_TRUE(comes_true([&] { return told == 1; }));
    natsConnection* const before = link->connection();
    natsConnection_Close(before);
    ASSERT_TRUE(comes_true([&] { return told == 2; }));
    EXPECT_NE(link->connection(), before);
    EXPECT_TRUE(link->connected());
    EXPECT_EQ(link->reconnects(), 1U);
}

TEST(NatsLink, AFreshOneNeverResumes) {
    RealServer server;
    auto opened = NatsLink::open({.url = server.url(), .fresh = true});
    ASSERT_TRUE(opened) << opened.error().message;
    const auto link = std::move(opened).value();
    ASSERT_TRUE(comes_true([&] { return link->connected(); }));
    auto first = link->lease();
    EXPECT_EQ(first.number, 1U);
    server.kill();
    ASSERT_TRUE(comes_true([&] { return !link->connected(); }));
    EXPECT_NE(natsConnection_PublishString(first.connection, "a", "b"), NATS_OK);
    server.start();
    ASSERT_TRUE(comes_true([&] { return link->connected(); })) << link->trouble();
    EXPECT_EQ(link->lease().number, 2U);
    EXPECT_NE(link->lease().connection, first.connection);
    EXPECT_NE(natsConnection_PublishString(first.connection, "a", "b"), NATS_OK);
    EXPECT_EQ(natsConnection_PublishString(link->lease().connection, "a", "b"), NATS_OK);
}

TEST(NatsLink, AWatcherMayEndItself) {
    RealServer server;
    const auto link = open_link(server.url());
    ASSERT_TRUE(comes_true([&] { return link->connected(); }));
    std::promise<std::unique_ptr<NatsLink::Watcher>> own;
    std::atomic<bool> ended{false};
    own.set_value(link->on_connected([&, watcher = own.get_future().share()] {
        const_cast<std::unique_ptr<NatsLink::Watcher>&>(watcher.get()).reset();
        ended = true;
    }));
    EXPECT_TRUE(comes_true([&] { return ended.load(); }));
}

TEST(NatsLink, EndsAtAnyTime) {
    RealServer server;
    std::atomic<int> told{0};
    for (int i = 0; i < 40; ++i) {
        const auto link = open_link(server.url());
        const auto watcher = link->on_connected([&] { ++told; });
        std::this_thread::sleep_for(std::chrono::microseconds(i * 200));
    }
    const int before = told;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(told, before) << "a call after its watcher has gone";
}

TEST(NatsLink, RefusesWhatCannotBeUsed) {
    for (const NatsOptions& options :
         {NatsOptions{.url = "http://a"}, NatsOptions{.url = "a", .credentials = "/nonexistent"},
          NatsOptions{.url = "a", .tls_ca = "/nonexistent"}, NatsOptions{.url = "a", .tls_cert = "/dev/null"}}) {
        EXPECT_FALSE(NatsLink::open(options));
    }
}

TEST(ReconnectDelay, GrowsAndDiffers) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_LE(reconnect_delay(0).count(), 150);
        EXPECT_GE(reconnect_delay(0).count(), 100);
        EXPECT_GE(reconnect_delay(100).count(), 5'000);
        EXPECT_LE(reconnect_delay(4'000'000'000).count(), 7'500);
    }
}

TEST(ServerInfo, IsReadFromTheGreeting) {
    const auto facts = read_server_info(R"(INFO {"server_id":"x","version":"2.9.10","jetstream":true,"cluster":"c"} )");
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts.value().version, "2.9.10");
    EXPECT_EQ(facts.value().cluster, "c");
    EXPECT_TRUE(facts.value().jetstream);
    for (const char* line : {"", "INFO", "INFO {", "INFO []", "HTTP/1.1 400 Bad Request"}) {
        EXPECT_FALSE(read_server_info(line)) << line;
    }
}

}  // namespace
}  // namespace holdfast
