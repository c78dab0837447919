#include "daemon/admin_endpoints.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Endpoint at(const char* text) { return parse_endpoint(text).value(); }

TEST(FirstSteps, TheUrlIsOneThatThisHostReaches) {
    EXPECT_EQ(dashboard_url(at("127.0.0.1:7080"), false), "http://127.0.0.1:7080/");
    EXPECT_EQ(dashboard_url(at("0.0.0.0:80"), true), "https://127.0.0.1:80/");
    EXPECT_EQ(dashboard_url(at("[::]:7080"), false), "http://[::1]:7080/");
    EXPECT_EQ(dashboard_url(at("10.1.2.3:7080"), false), "http://10.1.2.3:7080/");
}

TEST(FirstSteps, TheCommandSendsAnItemWithTheConfiguredKey) {
    ListenerConfig listener;
    EXPECT_EQ(first_item_command(listener, at("0.0.0.0:7000"), "ip"),
              "echo '{\"ip\":\"10.20.30.40\"}' >/dev/tcp/127.0.0.1/7000");
    EXPECT_EQ(first_item_command(listener, at("[::1]:7001"), "mac"),
              "echo '{\"mac\":\"10.20.30.40\"}' >/dev/tcp/::1/7001");
    EXPECT_FALSE(first_item_command(listener, at("[::1]:7001"), "it's"));
    EXPECT_FALSE(first_item_command(listener, at("[::1]:7001"), "a\\b"));
}

TEST(FirstSteps, NoCommandWhereAPlainItemIsNotAccepted) {
    for (const auto spoil : {+[](ListenerConfig& listener) { listener.tls.certificate = "/x.pem"; },
                             +[](ListenerConfig& listener) { listener.tokens_file = "/tokens"; },
                             +[](ListenerConfig& listener) { listener.proxy_protocol = ProxyProtocol::v2; },
                             +[](ListenerConfig& listener) { listener.framing = Framing::length; }}) {
        ListenerConfig listener;
        spoil(listener);
        EXPECT_FALSE(first_item_command(listener, at("127.0.0.1:7000"), "ip"));
    }
}

}  // namespace

}  // namespace holdfast
