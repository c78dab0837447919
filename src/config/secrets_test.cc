#include "config/secrets.h"

#include <gtest/gtest.h>

#include "config/option.h"

namespace holdfast {
namespace {

TEST(Secrets, ThereAreNoneByDefault) { EXPECT_FALSE(holds_secrets({})); }

TEST(Secrets, AKeyAPasswordOrAWebhookIsOne) {
    DaemonConfig config;
    config.sink.tls_key = "/etc/holdfast/key.pem";
    EXPECT_TRUE(holds_secrets(config));
    config = {};
    config.sink.url = "nats://user:password@127.0.0.1:4222";
    EXPECT_TRUE(holds_secrets(config));
    config.sink.url = "nats://127.0.0.1:4222";
    EXPECT_FALSE(holds_secrets(config));
    config.alarm.webhook = "http://127.0.0.1:9095/token";
    EXPECT_TRUE(holds_secrets(config));
}

TEST(Secrets, EveryFileOfKeysOrTokensIsOne) {
    for (const Option& option : all_options()) {
        const bool sounds_so = option.name.ends_with("_key") || option.name.find("token") != std::string_view::npos;
        if (option.type != OptionType::text || !sounds_so) continue;
        DaemonConfig config;
        static_cast<void>(store_text(option, {config, config.server.listeners.front()}, "/etc/holdfast/file"));
        EXPECT_TRUE(holds_secrets(config)) << option.name;
    }
}

}  // namespace
}  // namespace holdfast
