#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/checks.h"
#include "config/load.h"
#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SinkKeys : public testing::Test {
protected:
    void SetUp() override { ::unsetenv("STATE_DIRECTORY"); }
    void TearDown() override { ::unsetenv("STATE_DIRECTORY"); }

    static LoadOutcome load(const std::string& toml, const std::string& sink = "") {
        std::ofstream("gateway.toml", std::ios::binary) << toml;
        Overrides overrides;
        if (!sink.empty()) overrides.flags.push_back({find_option(Section::sink, "type"), sink});
        return load_config("gateway.toml", overrides);
    }

    static std::vector<std::string> errors(const std::string& toml, const std::string& sink = "") {
        std::vector<std::string> out;
        for (const ConfigError& error : load(toml, sink).errors) out.push_back(error.message);
        return out;
    }

    static SinkConfig sink_of(const std::string& toml, const std::string& flag = "") {
        const LoadOutcome outcome = load(toml, flag);
        EXPECT_TRUE(outcome.loaded) << outcome.errors[0].message;
        return outcome.loaded ? outcome.loaded->config.sink : SinkConfig{};
    }

private:
    const WorkingDirectory directory_;
};

TEST_F(SinkKeys, AllAreRead) {
    for (const char* name : {"g.creds", "ca.pem", "c.pem", "k.pem"}) std::ofstream(name) << "x";
    const LoadOutcome outcome = load(R"([sink]
type = "nats"
path = "events"
commit_interval = "20ms"
commit_bytes = "1MiB"
retain_bytes = "1GiB"
retain_age = "24h"
required_groups = "billing, audit"
url = "tls://10.0.0.5:4222,tls://10.0.0.6:4222"
stream = "fleet"
replicas = 3
batch = 256
window = 64
credentials = "g.creds"
tls_ca = "ca.pem"
tls_cert = "c.pem"
tls_key = "k.pem"
[fleet]
enabled = false
name = "gateway-1"
lost_after = "20s"
)");
    ASSERT_TRUE(outcome.loaded) << outcome.errors[0].message;
    const SinkConfig& sink = outcome.loaded->config.sink;
    EXPECT_EQ(sink.type, SinkType::nats);
    EXPECT_EQ(sink.path, "events");
    EXPECT_EQ(sink.commit_interval, std::chrono::milliseconds(20));
    EXPECT_EQ(sink.commit_bytes, std::size_t{1} << 20);
    EXPECT_EQ(sink.retain_bytes, std::size_t{1} << 30);
    EXPECT_EQ(sink.retain_age, std::chrono::hours(24));
    EXPECT_THAT(group_names(sink.required_groups), ElementsAre("billing", "audit"));
    EXPECT_EQ(sink.url, "tls://10.0.0.5:4222,tls://10.0.0.6:4222");
    EXPECT_EQ(sink.stream, "fleet");
    EXPECT_EQ(sink.replicas, 3U);
    EXPECT_EQ(sink.batch, 256U);
    EXPECT_EQ(sink.window, 64U);
    EXPECT_EQ(sink.credentials, "g.creds");
    EXPECT_EQ(sink.tls_key, "k.pem");
    EXPECT_FALSE(outcome.loaded->config.fleet.enabled);
    EXPECT_EQ(outcome.loaded->config.fleet.name, "gateway-1");
    EXPECT_EQ(outcome.loaded->config.fleet.lost_after, std::chrono::seconds(20));
    EXPECT_FALSE(std::filesystem::exists("events")) << "the check made the spool";
}

TEST_F(SinkKeys, ASpoolHasAPlaceByDefault) {
    EXPECT_EQ(sink_of("[sink]\ntype = \"spool\"\n").path, "holdfast-spool");
    EXPECT_EQ(sink_of("", "spool").path, "holdfast-spool");
    ::setenv("STATE_DIRECTORY", (std::filesystem::current_path().string() + ":/elsewhere").c_str(), 1);
    EXPECT_EQ(sink_of("", "nats").path, std::filesystem::current_path().string() + "/spool");
    EXPECT_EQ(sink_of("[sink]\ntype = \"spool\"\npath = \"mine\"\n").path, "mine");
    EXPECT_EQ(sink_of("").path, "");
}

TEST_F(SinkKeys, AFlagNamesTypeAndPlace) {
    EXPECT_EQ(sink_of("", "spool:events").path, "events");
    EXPECT_EQ(sink_of("", "spool:events").type, SinkType::spool);
    EXPECT_EQ(sink_of("", "nats").url, "nats://127.0.0.1:4222");
    EXPECT_EQ(sink_of("", "nats:10.0.0.5").url, "10.0.0.5");
    EXPECT_EQ(sink_of("", "nats:nats://a:1,nats://b:1").url, "nats://a:1,nats://b:1");
    EXPECT_EQ(sink_of("", "nats://a:1").url, "nats://a:1");
    EXPECT_EQ(sink_of("", "tls://a:1").url, "tls://a:1");
    EXPECT_EQ(sink_of("", "tls://a:1").type, SinkType::nats);
    EXPECT_THAT(errors("", "spool:"), ElementsAre(HasSubstr("--sink: \"spool:\" is unknown")));
}

TEST_F(SinkKeys, AFlagMakesTheKeysOfAnotherTypeVoid) {
    const std::string nats = "[sink]\ntype = \"nats\"\npath = \"s\"\nbatch = 256\nretain_age = \"1h\"\n";
    EXPECT_EQ(sink_of(nats, "stdout").batch, 1U);
    EXPECT_EQ(sink_of(nats, "stdout").path, "");
    EXPECT_EQ(sink_of(nats, "file:out").path, "out");
    const SinkConfig spool = sink_of(nats, "spool");
    EXPECT_EQ(spool.path, "s");
    EXPECT_EQ(spool.batch, 1U);
    EXPECT_EQ(spool.retain_age, std::chrono::hours(1));
    EXPECT_EQ(sink_of("[sink]\ntype = \"file\"\npath = \"gateway.toml\"\n", "spool").path, "holdfast-spool");
}

TEST_F(SinkKeys, ThoseOfAnotherTypeAreErrors) {
    EXPECT_THAT(
        errors("[sink]\nurl = \"nats://a\"\ncommit_interval = \"1ms\"\n"),
        ElementsAre(
            "gateway.toml:2: url in [sink] needs type = \"nats\"; remove it or set the type",
            "gateway.toml:3: commit_interval in [sink] needs type = \"spool\" or \"nats\"; remove it or set the type"));
    EXPECT_THAT(errors("[sink]\ntype = \"spool\"\nbatch = 256\n"),
                ElementsAre("gateway.toml:3: batch in [sink] needs type = \"nats\"; remove it or set the type"));
}

TEST_F(SinkKeys, AcksNeedADurableSink) {
    EXPECT_THAT(errors("[[listener]]\n[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:7001\"\nacks = true\n"),
                ElementsAre("gateway.toml:5: listener \"m\": acks needs a durable sink; set type = "
                            "\"spool\" (or \"nats\") in [sink], or give --sink spool:DIR"));
    EXPECT_THAT(errors("[[listener]]\nacks = true\n[sink]\ntype = \"spool\"\n"), IsEmpty());
    EXPECT_THAT(errors("[[listener]]\nacks = true\n", "nats://a"), IsEmpty());
    EXPECT_THAT(errors("[[listener]]\nacks = true\n[sink]\ntype = \"spool\"\n", "stdout"), testing::SizeIs(1));
}

TEST_F(SinkKeys, UnusableKeysAreReported) {
    EXPECT_THAT(
        errors("[sink]\ntype = \"spool\"\npath = \"gateway.toml\"\n"),
        ElementsAre("gateway.toml:3: path in [sink]: \"gateway.toml\" is not a directory; name another directory"));
    EXPECT_THAT(errors("[sink]\ntype = \"spool\"\npath = \"a/b/c\"\n"), IsEmpty());
    EXPECT_THAT(errors("[sink]\ntype = \"spool\"\nrequired_groups = \"a b,,c\"\n"),
                ElementsAre(HasSubstr("\"a b\" is not the name of a group"), HasSubstr("\"\" is not the name")));
    EXPECT_THAT(errors("[sink]\ntype = \"nats\"\nstream = \"a.b\"\n"),
                ElementsAre("gateway.toml:3: stream in [sink]: \"a.b\" is not the name of a stream; write 1 to 64 "
                            "characters of A-Z a-z 0-9 _ -"));
    EXPECT_THAT(errors("[sink]\ntype = \"nats\"\ncredentials = \"no\"\ntls_cert = \"gateway.toml\"\n"),
                ElementsAre("gateway.toml:3: credentials in [sink]: \"no\" cannot be read: No such file or directory; "
                            "change its rights or name another file",
                            "gateway.toml:4: tls_cert and tls_key in [sink] go together; give both or neither"));
    EXPECT_THAT(
        errors("[sink]\ntype = \"nats\"\n[fleet]\nname = \"a b\"\n"),
        ElementsAre(
            "gateway.toml:4: name in [fleet]: \"a b\" is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -"));
}

TEST_F(SinkKeys, APasswordIsNeverPrinted) {
    for (const char* url : {"nats://u:hunter2@a:x", "ftp://u:hunter2@a", "nats://u:hunter2@"}) {
        const auto from_file = errors("[sink]\ntype = \"nats\"\nurl = \"" + std::string(url) + "\"\n");
        ASSERT_THAT(from_file, ElementsAre(HasSubstr("url in [sink]: ")));
        EXPECT_EQ(from_file[0].find("hunter2"), std::string::npos) << from_file[0];
        const auto from_flag = errors("", "nats:" + std::string(url));
        ASSERT_EQ(from_flag.size(), 1U);
        EXPECT_EQ(from_flag[0].find("hunter2"), std::string::npos) << from_flag[0];
    }
    DaemonConfig config;
    config.sink.url = "nats://u:hunter2@a";
    const Option& url = *find_option(Section::sink, "url");
    EXPECT_EQ(value_text(url, config), "nats://***@a");
    EXPECT_EQ(stored_text(url, config), "nats://u:hunter2@a");
    EXPECT_THAT(errors("[sink]\nurl = \"nats://u:hunter2@a\"\n"), ElementsAre(testing::Not(HasSubstr("hunter2"))));
}

}  // namespace
}  // namespace holdfast
