#include "conn/preamble.h"

#include <gtest/gtest.h>

#include "conn/rig_test.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view header = "PROXY TCP4 198.51.100.7 192.0.2.9 4000 7000\r\n";

class PreambleTest : public testing::Test {
protected:
    PreambleTest() : rig_({.max_connections = 100, .max_unfinished = 4'096, .policies = {proxied()}}) {}
    static ListenerPolicy proxied() {
        ListenerPolicy policy = ShardRig::policy();
        policy.proxy_protocol = ProxyProtocol::v1;
        policy.trusted_proxies = {parse_prefix("192.0.2.0/24").value()};
        return policy;
    }
    ShardRig rig_;
};

TEST_F(PreambleTest, TheHandlerKnowsOfAConnectionOnceItsHeaderIsThere) {
    const int fd = rig_.connect();
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    EXPECT_EQ(rig_.find(fd)->stage, Stage::preamble);
    EXPECT_EQ(rig_.counters().opening.get(), 1U);
    rig_.kernel.send(fd, header.substr(0, 20));
    rig_.turn();
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    rig_.kernel.send(fd, std::string(header.substr(20)) + "item\n");
    rig_.turn();
    EXPECT_EQ(rig_.handler.opened.size(), 1U);
    EXPECT_THAT(rig_.handler.items, ElementsAre("item"));
    EXPECT_EQ(rig_.find(fd)->stage, Stage::unidentified);
    EXPECT_EQ(to_string(rig_.find(fd)->peer), "198.51.100.7:4000");
    EXPECT_EQ(rig_.counters().opening.get(), 0U);
}

TEST_F(PreambleTest, WithoutAWholeHeaderTheConnectionEndsAfterFiveSeconds) {
    const int fd = rig_.connect();
    rig_.kernel.send(fd, header.substr(0, 20));
    rig_.pass(milliseconds(4'900));
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    rig_.pass(milliseconds(300));
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::proxy_header_invalid));
    EXPECT_EQ(rig_.handler.opened.size(), 1U) << "the handler learns of both";
}

TEST_F(PreambleTest, AnEndBeforeAnyByteIsAHealthCheck) {
    const int fd = rig_.connect();
    rig_.kernel.finish(fd);
    rig_.turn();
    EXPECT_TRUE(rig_.kernel.is_closed(fd));
    EXPECT_THAT(rig_.handler.opened, IsEmpty());
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    EXPECT_EQ(rig_.counters().health_checks.get(), 1U);
    EXPECT_EQ(rig_.counters().connections.get(), 0U);
}

TEST_F(PreambleTest, WhatIsNoHeaderEndsTheConnection) {
    const int fd = rig_.connect();
    rig_.kernel.send(fd, "{\"ip\":\"a\"}\n");
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), ElementsAre(CloseReason::proxy_header_invalid));
    EXPECT_THAT(rig_.handler.items, IsEmpty());
}

TEST_F(PreambleTest, AProxyThatIsNotTrustedIsTurnedAway) {
    const int fd = rig_.connect("203.0.113.1:1000");
    EXPECT_TRUE(rig_.kernel.is_closed(fd));
    EXPECT_EQ(rig_.counters().refused[static_cast<std::size_t>(RefusedBy::untrusted_proxy)].get(), 1U);
    EXPECT_THAT(rig_.reasons(), IsEmpty());
}

TEST_F(PreambleTest, APauseOfTheGatewayDoesNotUseUpTheTime) {
    const int fd = rig_.connect();
    rig_.clock.advance(std::chrono::seconds(60));
    rig_.turn();
    rig_.turn();
    EXPECT_THAT(rig_.reasons(), IsEmpty());
    rig_.kernel.send(fd, header);
    rig_.turn();
    EXPECT_EQ(rig_.find(fd)->stage, Stage::unidentified);
}

}  // namespace
}  // namespace holdfast
