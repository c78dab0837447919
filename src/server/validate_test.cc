#include "server/validate.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

std::vector<std::string> messages(const ServerConfig& config) {
    std::vector<std::string> out;
    for (const Violation& violation : find_violations(config)) out.push_back(violation.message);
    return out;
}

ServerConfig with_listeners(std::vector<std::pair<std::string, std::string>> names_and_addresses) {
    ServerConfig config;
    config.listeners.clear();
    for (auto& [name, address] : names_and_addresses) {
        ListenerConfig listener;
        listener.name = name;
        listener.address = address;
        config.listeners.push_back(listener);
    }
    return config;
}

TEST(Validate, TheDefaultsAreGood) { EXPECT_THAT(messages(ServerConfig{}), ElementsAre()); }

TEST(Validate, TheEdgesOfEveryRangeAreGood) {
    ServerConfig config;
    ListenerConfig& listener = config.listeners[0];
    listener.name = std::string(64, 'x');
    listener.detect_within = min_detect_within;
    listener.read_idle.reset();
    listener.write_stall = hours(24);
    listener.item_deadline = milliseconds(100);
    listener.max_bad_items = 1;
    listener.backlog = 65'535;
    config.item = {std::string(255, 'k'), std::size_t{1} << 20, 1'024};
    config.limits.downlink_queue = 1'024;
    config.reactors = 128;
    config.drain_time = hours(1);
    EXPECT_THAT(messages(config), ElementsAre());
}

TEST(Validate, AnAnswerNeverContainsTheDelimiter) {
    ServerConfig config;
    config.listeners[0].acks = true;
    for (const std::string delimiter : {"\"", ",", "}", "1", "ack"}) {
        config.listeners[0].delimiter = delimiter;
        EXPECT_THAT(messages(config), testing::Contains(testing::HasSubstr("answers such as"))) << delimiter;
    }
    for (const std::string delimiter : {"|", "END", "\r\n.\r\n"}) {
        config.listeners[0].delimiter = delimiter;
        EXPECT_THAT(messages(config), ElementsAre()) << delimiter;
    }
}

TEST(Validate, NamesEveryOptionThatIsOutOfRange) {
    ServerConfig config;
    ListenerConfig& listener = config.listeners[0];
    listener.read_idle = milliseconds(999);
    listener.write_stall = seconds(0);
    listener.item_deadline = hours(25);
    listener.max_bad_items = 0;
    listener.backlog = -1;
    config.item = {std::string(256, 'k'), 2'097'152, 1'025};
    config.limits = {100'000'001, 100};
    config.reactors = 129;
    config.drain_time = milliseconds(-1);
    config.closed_history = 10'000'001;
    EXPECT_THAT(
        messages(config),
        ElementsAre("key in [item] has 256 bytes; write at most 255", "reactors: 129 is out of range; write 0 to 128",
                    "drain_time: -1ms is out of range; write 0s to 1h",
                    "closed_history: 10000001 is out of range; write 0 to 10000000",
                    "max_bytes in [item]: 2MiB is out of range; write 16B to 1MiB",
                    "max_depth in [item]: 1025 is out of range; write 1 to 1024",
                    "max_connections in [limits]: 100000001 is out of range; write 0 to 100000000",
                    "downlink_queue in [limits]: 100B is out of range; write 1KiB to 64MiB",
                    "listener \"devices\": read_idle: 999ms is out of range; write 1s to 720h",
                    "listener \"devices\": write_stall: 0s is out of range; write 1s to 24h",
                    "listener \"devices\": item_deadline: 25h is out of range; write 100ms to 24h",
                    "listener \"devices\": max_bad_items: 0 is out of range; write 1 to 65535",
                    "listener \"devices\": backlog: -1 is out of range; write 1 to 65535"));
}

TEST(Validate, PassesOnWhyDetectWithinCannotBeKept) {
    ServerConfig config;
    config.listeners[0].detect_within = seconds(1);
    EXPECT_THAT(messages(config), ElementsAre("listener \"devices\": " + plan_liveness(seconds(1)).error().message));
}

TEST(Validate, AProxyHeaderNeedsNamedProxies) {
    ServerConfig config;
    config.listeners[0].proxy_protocol = ProxyProtocol::v2;
    EXPECT_THAT(messages(config), ElementsAre("listener \"devices\": trusted_proxies: empty, but proxy_protocol admits "
                                              "these peers only; name the proxies, e.g. [\"10.0.0.0/8\"]"));
    config.listeners[0].trusted_proxies = {"10.0.0.0/8", "2001:db8::1"};
    EXPECT_THAT(messages(config), ElementsAre());
    config.listeners[0].trusted_proxies = {"10.0.0.1/8", "proxy"};
    EXPECT_THAT(messages(config),
                ElementsAre("listener \"devices\": trusted_proxies: " + parse_prefix("10.0.0.1/8").error().message,
                            "listener \"devices\": trusted_proxies: " + parse_prefix("proxy").error().message));
    config.listeners[0].proxy_protocol = ProxyProtocol::off;
    config.listeners[0].trusted_proxies = {"10.0.0.0/8"};
    EXPECT_THAT(messages(config),
                ElementsAre("listener \"devices\": trusted_proxies: without effect, as proxy_protocol is \"off\"; set "
                            "that to \"v1\" or \"v2\", or remove this list"));
}

TEST(Validate, RefusesNamesThatWouldBreakLinesAndLabels) {
    for (const char* name : {"", "a b", "a\nb", "caf\xc3\xa9", "a/b", "\"x\""}) {
        const auto found = find_violations(with_listeners({{name, "127.0.0.1:7000"}}));
        ASSERT_EQ(found.size(), 1U) << name;
        EXPECT_EQ(found[0].option, "name");
        EXPECT_EQ(found[0].message.find('\n'), std::string::npos);
    }
    EXPECT_THAT(messages(with_listeners({{"a\nb", "127.0.0.1:7000"}})),
                ElementsAre(R"(listener name "a\nb" is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -)"));
    EXPECT_EQ(messages(with_listeners({{std::string(65, 'x'), "127.0.0.1:7000"}})).size(), 1U);
}

TEST(Validate, RefusesAnAddressThatIsNotOne) {
    const auto found = find_violations(with_listeners({{"a", "127.0.0.1:7000"}, {"b", "localhost:7000"}}));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].listener, 1U);
    EXPECT_EQ(found[0].section, "listener");
    EXPECT_EQ(found[0].option, "address");
    EXPECT_EQ(found[0].message, "listener \"b\": address: " + parse_endpoint("localhost:7000").error().message);
}

TEST(Validate, AFileMayNameInheritedSockets) {
    const ServerConfig named = with_listeners({{"a", "fd:3"}, {"b", "fd:meters"}, {"c", "fd:123456789"}});
    EXPECT_THAT(messages(named), ElementsAre());
    EXPECT_EQ(validate(named).size(), 3U) << "a program sets the descriptor";
    const std::string too_long = "fd:" + std::string(256, 'x');
    for (const std::string& bad : {std::string("fd:"), std::string("fd:2"), std::string("fd:1234567890"),
                                   std::string("fd:a:b"), std::string("fd:a b"), too_long}) {
        EXPECT_THAT(messages(with_listeners({{"a", bad}})),
                    ElementsAre(testing::EndsWith("is no inherited socket; write fd:3 or a larger number, or fd:NAME")))
            << bad;
    }
    EXPECT_THAT(messages(with_listeners({{"a", "fd:3"}, {"b", "fd:3"}})),
                ElementsAre("listeners \"a\" and \"b\" both have fd:3; give each its own socket"));
}

TEST(Validate, RefusesListenersThatAreInEachOthersWay) {
    EXPECT_THAT(messages(with_listeners({{"a", "127.0.0.1:7000"}, {"a", "127.0.0.1:7001"}})),
                ElementsAre("two listeners are named \"a\"; give each its own name"));
    for (const auto& [first, second] : {std::pair{"127.0.0.1:7000", "127.0.0.1:7000"},
                                        {"[::]:7000", "127.0.0.1:7000"},
                                        {"10.0.0.1:7000", "0.0.0.0:7000"},
                                        {"0.0.0.0:7000", "[::]:7000"},
                                        {"[::1]:7000", "[::]:7000"}}) {
        EXPECT_THAT(messages(with_listeners({{"a", first}, {"b", second}})),
                    ElementsAre("listeners \"a\" at " + std::string(first) + " and \"b\" at " + second +
                                " overlap; give one of them another address or port"));
    }
    for (const auto& [first, second] : {std::pair{"127.0.0.1:7000", "127.0.0.1:7001"},
                                        {"127.0.0.1:0", "127.0.0.1:0"},
                                        {"[::1]:7000", "0.0.0.0:7000"},
                                        {"10.0.0.1:7000", "10.0.0.2:7000"}}) {
        EXPECT_THAT(messages(with_listeners({{"a", first}, {"b", second}})), ElementsAre()) << first << " " << second;
    }
}

TEST(Validate, WantsAtLeastOneListenerAndNotTooMany) {
    EXPECT_THAT(messages(with_listeners({})), ElementsAre("no listener is configured; add a [[listener]]"));
    ServerConfig config;
    config.listeners.resize(257);
    EXPECT_THAT(messages(config), ElementsAre("257 listeners are configured; write at most 256"));
}

}  // namespace
}  // namespace holdfast
