#include "config/checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "options/option.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

/// Switches from root to an unprivileged user in its scope, since root may write everywhere.
class AsNobody {
public:
    AsNobody() : was_root_(::geteuid() == 0) {
        if (was_root_ && ::seteuid(65'534) != 0) std::abort();
    }
    ~AsNobody() {
        if (was_root_ && ::seteuid(0) != 0) std::abort();
    }

private:
    bool was_root_;
};

std::string sink_violation(const std::string& path) {
    DaemonConfig config;
    config.sink.type = SinkType::file;
    config.sink.path = path;
    const AsNobody nobody;
    const auto found = find_violations(config);
    return found.empty() ? "" : found[0].message;
}

TEST(SinkPath, IsRefusedWhereItsRightsForbidWriting) {
    const TemporaryDirectory directory;
    const std::string file = directory.in("x");
    ASSERT_EQ(::chmod(directory.path().c_str(), 0555), 0);
    EXPECT_EQ(sink_violation(file), "path in [sink]: \"" + file +
                                        "\" cannot be created in its directory: Permission denied; create the "
                                        "directory, change its rights or name another file");
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    directory.write("x", "", 0444);
    EXPECT_EQ(sink_violation(file),
              "path in [sink]: \"" + file +
                  "\" cannot be written: Permission denied; change its rights or name another file");
    directory.write("x", "", 0666);
    EXPECT_EQ(sink_violation(file), "");
}

TEST(SinkPath, HostileOnesAreRefused) {
    EXPECT_EQ(sink_violation(std::string("a\0b", 3)),
              "path in [sink]: \"a\\x00b\" contains a NUL byte; name another file");
    EXPECT_TRUE(
        sink_violation(std::string(5'000, 'x')).ends_with("cannot be used: File name too long; name another file"));
    EXPECT_TRUE(sink_violation("/dev/null/x").ends_with("cannot be used: Not a directory; name another file"));
    EXPECT_EQ(sink_violation("/dev/null"), "");
}

TEST(Webhook, IsAUrl) {
    DaemonConfig config;
    EXPECT_TRUE(find_violations(config).empty());
    config.alarm.webhook = "https://hooks.example/alarms";
    EXPECT_TRUE(find_violations(config).empty());
    config.alarm.webhook = "hooks.example";
    ASSERT_EQ(find_violations(config).size(), 1U);
    EXPECT_EQ(find_violations(config)[0].section, "alarm");
    EXPECT_EQ(find_violations(config)[0].option, "webhook");
    EXPECT_EQ(find_violations(config)[0].message,
              "webhook in [alarm]: \"***\" does not start with http:// or https://; write e.g. "
              "http://127.0.0.1:9000/alarms");
}

TEST(Webhook, HasAHeaderFromAFileAndLinksToTheDashboard) {
    const TemporaryDirectory directory;
    DaemonConfig config;
    config.alarm.webhook_header_file = directory.write("header", "Authorization: Bearer abc", 0600);
    config.alarm.dashboard_url = "https://gateway.example/";
    EXPECT_TRUE(find_violations(config).empty());
    EXPECT_TRUE(holds_secrets(config));
    config.alarm.webhook_header_file = directory.write("header", "secret abc", 0600);
    config.alarm.dashboard_url = "gateway.example";
    const auto violations = find_violations(config);
    ASSERT_EQ(violations.size(), 2U);
    EXPECT_EQ(violations[0].option, "webhook_header_file");
    EXPECT_EQ(violations[0].message.find("abc"), std::string::npos) << violations[0].message;
    EXPECT_EQ(violations[1].option, "dashboard_url");
}

TEST(Secrets, ThereAreNoneByDefault) { EXPECT_FALSE(holds_secrets({})); }

TEST(Secrets, APasswordInAUrlIsOne) {
    DaemonConfig config;
    config.sink.url = "nats://user:password@127.0.0.1:4222";
    EXPECT_TRUE(holds_secrets(config));
    config.sink.url = "nats://127.0.0.1:4222";
    EXPECT_FALSE(holds_secrets(config));
    config.alarm.webhook = "http://127.0.0.1:9095/token";
    EXPECT_TRUE(holds_secrets(config));
}

TEST(Secrets, EveryFileOfKeysOrTokensIsOne) {
    for (const Option& option : all_options()) {
        const bool sounds_so = option.key.ends_with("_key") || option.key.find("token") != std::string_view::npos ||
                               option.key == "credentials";
        if (option.type() != OptionType::text || !sounds_so) continue;
        DaemonConfig config;
        EXPECT_EQ(store_text(option, object_of(option, config), "/etc/holdfast/file"), std::nullopt);
        EXPECT_TRUE(holds_secrets(config)) << option.key;
    }
}

}  // namespace
}  // namespace holdfast
