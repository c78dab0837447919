#include "embed/gateway_config.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(GatewayFaults, TheDefaultsHaveNone) {
    EXPECT_FALSE(first_fault({}));
    GatewayConfig config;
    config.spool.directory = testing::TempDir();
    config.server.listeners[0].acks = true;
    config.admin.address = "127.0.0.1:7080";
    EXPECT_FALSE(first_fault(config));
}

TEST(GatewayFaults, EachNamesItsMemberInTheWordsOfTheProgram) {
    struct Mistake {
        std::function<void(GatewayConfig&)> make;
        std::string field;
    };
    const std::string directory = testing::TempDir();
    const std::vector<Mistake> mistakes{
        {[](auto& config) { config.alarms.window = 0ms; }, "alarms.window"},
        {[](auto& config) { config.alarms.window = 2h; }, "alarms.window"},
        {[](auto& config) { config.alarms.drop_percent = 0; }, "alarms.drop_percent"},
        {[](auto& config) { config.alarms.drop_percent = 101; }, "alarms.drop_percent"},
        {[](auto& config) { config.alarms.drop_least = 0; }, "alarms.drop_least"},
        {[](auto& config) { config.alarms.webhook = "ftp://x"; }, "alarms.webhook"},
        {[](auto& config) { config.spool.nats_url = "nats://127.0.0.1:4222"; }, "spool.directory"},
        {[](auto& config) { config.server.listeners[0].acks = true; }, "listeners[0].acks"},
        {[](auto& config) { config.spool.directory = "/proc/version/spool"; }, "spool.directory"},
        {[&](auto& config) { config.spool = {.directory = directory, .retain_bytes = 1}; }, "spool.retain_bytes"},
        {[&](auto& config) { config.spool = {.directory = directory, .retain_age = 1ms}; }, "spool.retain_age"},
        {[&](auto& config) { config.spool = {.directory = directory, .nats_url = "http://x"}; }, "spool.nats_url"},
        {[&](auto& config) { config.spool = {.directory = directory, .nats_url = "nats://x", .nats_stream = "a.b"}; },
         "spool.nats_stream"},
        {[&](auto& config) {
             config.spool = {.directory = directory, .nats_url = "nats://x", .nats_credentials = "/nowhere"};
         },
         "spool.nats_credentials"},
        {[](auto& config) { config.admin.address = "nonsense"; }, "admin.address"},
        {[](auto& config) { config.admin.address = "0.0.0.0:7080"; }, "admin.address"},
        {[](auto& config) { config.admin.address = "127.0.0.1:7000"; }, "admin.address"},
        {[](auto& config) { config.admin.token_file = "/nowhere"; }, "admin.token_file"},
        {[](auto& config) { config.admin.tls_key = "/nowhere"; }, "admin.tls_key"},
    };
    for (const Mistake& mistake : mistakes) {
        GatewayConfig config;
        mistake.make(config);
        const auto error = first_fault(config);
        ASSERT_TRUE(error) << mistake.field;
        EXPECT_EQ(error->field, mistake.field) << error->message;
        EXPECT_EQ(error->code, ErrorCode::invalid_config);
        EXPECT_THAT(error->message, HasSubstr("; ")) << "no remedy";
        for (const char* word_of_file : {" in [", "--", "\"off\"", "type =", "with path"})
            EXPECT_THAT(error->message, Not(HasSubstr(word_of_file)));
    }
}

TEST(GatewayFaults, AMessageBeginsWithTheMember) {
    GatewayConfig config;
    config.alarms.window = 0ms;
    EXPECT_THAT(first_fault(config)->message, StartsWith("alarms.window: "));
    config = {};
    config.admin.address = "nonsense";
    EXPECT_THAT(first_fault(config)->message, StartsWith("admin.address: "));
}

}  // namespace
}  // namespace holdfast
