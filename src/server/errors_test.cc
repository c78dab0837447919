#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

ServerConfig a_and_b() {
    ServerConfig config;
    config.reactors = 1;
    config.listeners.resize(2);
    config.listeners[0] = {.name = "a", .address = "127.0.0.1:0"};
    config.listeners[1] = {.name = "b", .address = "127.0.0.1:0"};
    return config;
}

class NoEventHandler final : public EventHandler {
public:
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent&) override {}
    void on_closed(const ClosedEvent&) override {}
};

Error error_of_start(ServerConfig config) {
    const auto started = Server::start(std::move(config), [](unsigned) { return std::make_unique<NoEventHandler>(); });
    EXPECT_FALSE(started) << "it starts";
    return started ? Error{} : started.error();
}

TEST(Errors, EachMemberOfAConfigurationIsNamedInTheLibrarysWords) {
    const auto field_of = [](auto change) {
        ServerConfig config = a_and_b();
        change(config);
        const Error error = error_of_start(config);
        EXPECT_EQ(error.code, ErrorCode::invalid_config) << error.message;
        for (const char* const of_the_command : {"[[", " in [", "tls_", "--", "holdfast "})
            EXPECT_THAT(error.message, Not(HasSubstr(of_the_command)));
        return error.field;
    };
    using C = ServerConfig&;
    EXPECT_EQ(field_of([](C config) { config.listeners.clear(); }), "listeners");
    EXPECT_EQ(field_of([](C config) { config.listeners[1].name = "no name"; }), "listeners[1].name");
    EXPECT_EQ(field_of([](C config) { config.listeners[1].name = "a"; }), "listeners[1].name");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].address = "localhost"; }), "listeners[0].address");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].detect_within = 1s; }), "listeners[0].detect_within");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].read_idle = 0ms; }), "listeners[0].read_idle");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].backlog = -1; }), "listeners[0].backlog");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].tls.certificate = "a.pem"; }), "listeners[0].tls.key");
    EXPECT_EQ(field_of([](C config) { config.listeners[1].tls.key = "a.key"; }), "listeners[1].tls.key");
    EXPECT_EQ(field_of([](C config) { config.listeners[1].tls.client = TlsClient::required; }),
              "listeners[1].tls.client");
    EXPECT_EQ(field_of([](C config) { config.listeners[1].tls.ids_file = "ids"; }), "listeners[1].tls.ids_file");
    EXPECT_EQ(field_of([](C config) { config.item.max_bytes = 0; }), "item.max_bytes");
    EXPECT_EQ(field_of([](C config) { config.item.key = std::string(1'000, 'k'); }), "item.key");
    EXPECT_EQ(field_of([](C config) { config.limits.buffer_budget = 1; }), "limits.buffer_budget");
    EXPECT_EQ(field_of([](C config) { config.limits.max_connections = std::numeric_limits<std::size_t>::max(); }),
              "limits.max_connections");
    EXPECT_EQ(field_of([](C config) { config.reactors = std::numeric_limits<unsigned>::max(); }), "reactors");
    EXPECT_EQ(field_of([](C config) { config.drain_time = -1ms; }), "drain_time");
    EXPECT_EQ(field_of([](C config) { config.closed_history = std::numeric_limits<std::size_t>::max(); }),
              "closed_history");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].framing = static_cast<Framing>(77); }),
              "listeners[0].framing");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].tls.id = static_cast<TlsId>(77); }), "listeners[0].tls.id");
    EXPECT_EQ(field_of([](C config) { config.listeners[0].acks = true; }), "listeners[0].acks");
}

TEST(Errors, AnAddressThatCannotBeBoundHasACode) {
    const TestDevice::OccupiedAddress occupied;
    ServerConfig config = a_and_b();
    config.listeners[1].address = to_string(occupied.address());
    const Error taken = error_of_start(config);
    EXPECT_EQ(taken.code, ErrorCode::address_in_use);
    EXPECT_EQ(taken.field, "listeners[1].address");
    EXPECT_THAT(taken.message, Not(HasSubstr("--")));
    config.listeners[1].address = "192.0.2.1:0";
    EXPECT_EQ(error_of_start(config).code, ErrorCode::address_unavailable);
}

TEST(Errors, FilesHandlersAndTextsHaveCodes) {
    ServerConfig config = a_and_b();
    config.listeners[1].tokens_file = "/nowhere/tokens";
    EXPECT_EQ(error_of_start(config).code, ErrorCode::invalid_file);
    EXPECT_EQ(error_of_start(config).field, "listeners[1].tokens_file");
    config = a_and_b();
    config.listeners[1].tls = {.certificate = "/nowhere/a.pem", .key = "/nowhere/a.key"};
    EXPECT_EQ(error_of_start(config).code, ErrorCode::invalid_file);
    EXPECT_EQ(error_of_start(config).field, "listeners[1].tls.certificate");
    EXPECT_THAT(error_of_start(config).message, HasSubstr("listener \"b\": tls.certificate: "));

    EXPECT_EQ(Server::start(a_and_b(), nullptr).error().code, ErrorCode::handler_failed);
    EXPECT_EQ(Server::start(a_and_b(), [](unsigned) { return nullptr; }).error().code, ErrorCode::handler_failed);

    EXPECT_EQ(parse_endpoint("x").error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(parse_endpoint("x:1").error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(parse_ip_address("x").error().code, ErrorCode::invalid_argument);
    for (const char* const prefix : {"x", "10.0.0.0/33", "10.0.0.1/8"})
        EXPECT_EQ(parse_prefix(prefix).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(plan_liveness(1s).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(plan_liveness(2h).error().code, ErrorCode::invalid_argument);
}

TEST(Errors, ARunningServersErrorsHaveCodes) {
    TestGateway gateway(a_and_b());
    Server& server = gateway.server();
    EXPECT_EQ(server.drain_over({.over = -1ms}).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(server.drain_over({.listener = "nobody"}).error().code, ErrorCode::invalid_argument);
    ServerConfig wrong = a_and_b();
    wrong.listeners[1].detect_within = 1ms;
    EXPECT_EQ(server.apply(wrong).error().code, ErrorCode::invalid_config);
    EXPECT_EQ(server.apply(wrong).error().field, "listeners[1].detect_within");
    const TestDevice::OccupiedAddress occupied;
    wrong = a_and_b();
    wrong.listeners[1].address = to_string(occupied.address());
    EXPECT_EQ(server.apply(wrong).error().code, ErrorCode::address_in_use);
    EXPECT_EQ(server.apply(wrong).error().field, "listeners[1].address");
    server.stop_now();
    server.wait();
    EXPECT_EQ(server.apply(a_and_b()).error().code, ErrorCode::stopping);
    EXPECT_EQ(server.drain_over({}).error().code, ErrorCode::stopping);
}

TEST(Config, IsTheOneInForce) {
    ServerConfig config = a_and_b();
    config.item.key = "name";
    TestGateway gateway(config);
    EXPECT_EQ(gateway.server().config().item.key, "name");
    EXPECT_EQ(gateway.server().config().listeners.size(), 2U);
    config.listeners[0].read_idle = 7s;
    config.listeners[0].framing = Framing::json;  // needs a restart
    config.listeners.pop_back();
    static_cast<void>(gateway.apply(config));
    const ServerConfig now = gateway.server().config();
    ASSERT_EQ(now.listeners.size(), 1U);
    EXPECT_EQ(now.listeners[0].read_idle, 7s);
    EXPECT_EQ(now.listeners[0].framing, Framing::ndjson);
}

}  // namespace
}  // namespace holdfast
