#include "config/load.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/liveness.h>

#include "testing/temporary_directory.h"

namespace holdfast {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class LoadConfig : public testing::Test {
protected:
    LoadOutcome load(const std::string& toml, const Overrides& overrides = {}) {
        std::ofstream("gateway.toml", std::ios::binary) << toml;
        return load_config("gateway.toml", overrides);
    }

    std::vector<std::string> errors(const std::string& toml, const Overrides& overrides = {}) {
        return messages(load(toml, overrides));
    }

    static std::vector<std::string> messages(const LoadOutcome& outcome) {
        EXPECT_EQ(outcome.loaded.has_value(), outcome.errors.empty());
        std::vector<std::string> out;
        for (const ConfigError& error : outcome.errors) {
            EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
            out.push_back(error.message);
        }
        return out;
    }

    static Overrides::Flag flag(Section section, std::string_view name, std::string text) {
        return {find_option(section, name), std::move(text)};
    }

private:
    const WorkingDirectory directory_;
};

TEST_F(LoadConfig, NothingAtAllIsTheDefaults) {
    const LoadOutcome outcome = load_config(std::nullopt, {});
    ASSERT_TRUE(outcome.loaded) << outcome.errors[0].message;
    EXPECT_EQ(outcome.loaded->config.server.listeners.size(), 1U);
    EXPECT_THAT(outcome.loaded->warnings, IsEmpty());
    EXPECT_EQ(outcome.loaded->origin_text(*find_option(Section::item, "key"), 0), "default");
    EXPECT_THAT(errors(""), IsEmpty());
}

TEST_F(LoadConfig, ReadsEverySection) {
    const LoadOutcome outcome = load(R"(reactors = 3
drain_time = "10s"
[[listener]]
name = "a"
address = "127.0.0.1:7001"
framing = "length"
detect_within = "1m"
read_idle = "off"
write_stall = "20s"
reuse_port = true
[[listener]]
name = "b"
address = "[::1]:7002"
[item]
key = "serial"
max_bytes = 4096
[limits]
max_connections = 1000
[sink]
type = "file"
path = "events.ndjson"
[admin]
address = "off"
[log]
level = "warn"
format = "json"
)");
    ASSERT_TRUE(outcome.loaded) << outcome.errors[0].message;
    const DaemonConfig& config = outcome.loaded->config;
    EXPECT_EQ(config.server.reactors, 3U);
    EXPECT_EQ(config.server.drain_time, seconds(10));
    ASSERT_EQ(config.server.listeners.size(), 2U);
    EXPECT_EQ(config.server.listeners[0].framing, Framing::length);
    EXPECT_EQ(config.server.listeners[0].detect_within, seconds(60));
    EXPECT_EQ(config.server.listeners[0].read_idle, std::nullopt);
    EXPECT_EQ(config.server.listeners[0].write_stall, seconds(20));
    EXPECT_TRUE(config.server.listeners[0].reuse_port);
    EXPECT_EQ(config.server.listeners[1].name, "b");
    EXPECT_EQ(config.server.listeners[1].detect_within, seconds(30));
    EXPECT_EQ(config.server.item.key, "serial");
    EXPECT_EQ(config.server.item.max_bytes, 4'096U);
    EXPECT_EQ(config.server.limits.max_connections, 1'000U);
    EXPECT_EQ(config.sink.type, SinkType::file);
    EXPECT_EQ(config.sink.path, "events.ndjson");
    EXPECT_FALSE(config.admin.has_address());
    EXPECT_EQ(config.log.level, LogLevel::warn);
    EXPECT_EQ(config.log.format, LogFormat::json);
    EXPECT_FALSE(std::filesystem::exists("events.ndjson")) << "the check made the sink's file";
    EXPECT_EQ(outcome.loaded->origin_text(*find_option(Section::listener, "detect_within"), 0), "gateway.toml:7");
    EXPECT_EQ(outcome.loaded->origin_text(*find_option(Section::listener, "detect_within"), 1), "default");
}

TEST_F(LoadConfig, AnUnknownKeyNamesTheNearest) {
    EXPECT_THAT(
        errors("[[listener]]\nname = \"a\"\ndetect_witin = \"30s\"\n"),
        ElementsAre(R"(gateway.toml:3: unknown key "detect_witin" in [[listener]]; did you mean "detect_within"?)"));
    EXPECT_THAT(errors("reactor = 2\n"),
                ElementsAre(R"(gateway.toml:1: unknown key "reactor"; did you mean "reactors"?)"));
    EXPECT_THAT(
        errors("[item]\ncolour = 2\n"),
        ElementsAre(
            R"(gateway.toml:2: unknown key "colour" in [item]; known keys: key, numeric_key, lone_surrogates, max_bytes, max_depth)"));
    EXPECT_THAT(errors("detect_within = \"30s\"\n"),
                ElementsAre(R"(gateway.toml:1: unknown key "detect_within"; move it to [[listener]])"));
    EXPECT_THAT(errors("[log]\nreactors = 2\n"), ElementsAre("gateway.toml:2: unknown key \"reactors\" in [log]; move "
                                                             "it to the top of the file, before the first section"));
    EXPECT_THAT(errors("[sinks]\n"), ElementsAre("gateway.toml:1: unknown section [sinks]; did you mean [sink]?"));
    EXPECT_THAT(errors("[[listeners]]\n"),
                ElementsAre("gateway.toml:1: unknown section [listeners]; did you mean [[listener]]?"));
    EXPECT_THAT(errors("[tls]\n"),
                ElementsAre("gateway.toml:1: unknown section [tls]; known sections: [[listener]], [item], "
                            "[limits], [sink], [fleet], [admin], [alarm], [log] and [process]"));
    EXPECT_THAT(
        errors("[item]\n\"a\\nb\" = 1\n"),
        ElementsAre(
            R"(gateway.toml:2: unknown key "a\nb" in [item]; known keys: key, numeric_key, lone_surrogates, max_bytes, max_depth)"));
}

TEST_F(LoadConfig, AnUnknownWordIsReportedWithTheKnownOnes) {
    EXPECT_THAT(errors("[sink]\ntype = \"kafka\"\n"),
                ElementsAre("gateway.toml:2: type in [sink]: \"kafka\" is unknown; write "
                            "\"stdout\", \"file\", \"none\", \"spool\" or \"nats\""));
}

TEST_F(LoadConfig, AllErrorsOfAFileInItsOrder) {
    EXPECT_THAT(
        errors("reactors = \"two\"\n[[listener]]\ndetect_within = \"1s\"\nread_idle = 5\n"
               "[item]\nmax_depth = 2000\n[log]\nlevel = \"loud\"\n"),
        ElementsAre("gateway.toml:1: reactors: \"two\" is a text; write a whole number, e.g. 4",
                    "gateway.toml:3: listener \"devices\": " + plan_liveness(seconds(1)).error().message,
                    "gateway.toml:4: read_idle in [[listener]]: 5 is a number; write a duration with its unit, in "
                    "quotes, e.g. \"30s\", or \"off\"",
                    "gateway.toml:6: max_depth in [item]: 2000 is out of range; write 1 to 1024",
                    "gateway.toml:8: level in [log]: \"loud\" is unknown; write \"debug\", "
                    "\"info\", \"warn\" or \"error\""));
}

TEST_F(LoadConfig, ShapesThatAreNotSections) {
    EXPECT_THAT(errors("[listener]\nname = \"a\"\n"),
                ElementsAre("gateway.toml:1: listener is a list of sections; write [[listener]], with two brackets"));
    EXPECT_THAT(errors("listener = []\n"),
                ElementsAre("gateway.toml:1: listener is a list of sections; write [[listener]], with two brackets"));
    EXPECT_THAT(errors("sink = \"stdout\"\n"),
                ElementsAre("gateway.toml:1: sink is a section; write [sink] and its keys below it"));
    EXPECT_THAT(errors("[reactors]\nx = 1\n"),
                ElementsAre("gateway.toml:1: reactors: a table is given; write a whole number, e.g. 4"));
    EXPECT_THAT(
        errors("[item]\nkey = 2026-11-22\n"),
        ElementsAre("gateway.toml:2: key in [item]: a date or time is given; write a text in quotes, e.g. \"serial\""));
}

TEST_F(LoadConfig, WhatIsNotTomlIsNamedWithItsLine) {
    for (const char* text :
         {"\nreactors = \n", "\n[item\n", "\nreactors 2\n", "\nkey = \"\xff\"\n", "\na = 1\na = 2\n"}) {
        const auto found = errors(text);
        ASSERT_EQ(found.size(), 1U) << text;
        EXPECT_THAT(found[0], testing::MatchesRegex("gateway.toml:[23]: this is not TOML: .*; correct the line"));
    }
}

TEST_F(LoadConfig, DescriptionsOfWhatIsNotTomlAreEscapedOnce) {
    const auto description = [this](const std::string& text) {
        const auto found = errors(text);
        const std::string message = found.size() == 1 ? found[0] : std::to_string(found.size()) + " errors";
        return message.substr(0, message.find("; correct"))
            .substr(std::min(message.size(), message.find("TOML: ") + 6));
    };
    EXPECT_EQ(description("reactors\n"), "Error while parsing key-value pair: expected '=', saw '\\n'");
    EXPECT_EQ(description("reactors \x1b[31m\n"), "Error while parsing key-value pair: expected '=', saw '\\u001B'");
    EXPECT_EQ(description("reactors \xc2\x9b\n"), "Error while parsing key-value pair: expected '=', saw '\\x9b'");
    EXPECT_EQ(description("a = \"\\q\"\n"), "Error while parsing string: unknown escape sequence '\\q'");
}

TEST_F(LoadConfig, HostileFilesAreErrorsAndNothingWorse) {
    EXPECT_EQ(errors(std::string(100'000, '[')).size(), 1U);
    EXPECT_EQ(errors("a = " + std::string(100'000, '[')).size(), 1U);
    EXPECT_EQ(errors(std::string(1'000, '\0')).size(), 1U);
    EXPECT_EQ(errors(std::string((1 << 20) + 1, ' ')),
              std::vector<std::string>{"configuration \"gateway.toml\" cannot be read: the file is larger than 1MiB; "
                                       "name another file with --config"});
    std::string many;
    for (int i = 0; i < 10'000; ++i) many += "[[listener]]\n";
    EXPECT_THAT(errors(many), ElementsAre("10000 listeners are configured; write at most 256"));
}

TEST_F(LoadConfig, AFileThatCannotBeReadSaysWhy) {
    EXPECT_THAT(messages(load_config("missing.toml", {})),
                ElementsAre("configuration \"missing.toml\" cannot be read: No such file or directory; name another "
                            "file with --config"));
    EXPECT_THAT(messages(load_config(".", {})),
                ElementsAre("configuration \".\" cannot be read: Is a directory; name another file with --config"));
}

TEST_F(LoadConfig, OptionsThatContradictEachOther) {
    EXPECT_THAT(errors("[[listener]]\n[[listener]]\naddress = \"127.0.0.1:7001\"\n"),
                ElementsAre("gateway.toml:2: two listeners are named \"devices\"; give each its own name"));
    EXPECT_THAT(errors("[admin]\naddress = \"127.0.0.1:7000\"\n"),
                ElementsAre("gateway.toml:2: address in [admin]: 127.0.0.1:7000 overlaps listener \"devices\" at "
                            "127.0.0.1:7000; give it another address or port"));
    EXPECT_THAT(
        errors("[sink]\npath = \"x\"\n"),
        ElementsAre(
            "gateway.toml:2: path in [sink] needs type = \"file\", \"spool\" or \"nats\"; remove it or set the type"));
}

TEST_F(LoadConfig, AFileSinkNeedsAPathThatCanBeWritten) {
    EXPECT_THAT(
        errors("[sink]\ntype = \"file\"\n"),
        ElementsAre(
            "gateway.toml:2: type in [sink] is \"file\" without a path; add path = \"...\", or give --sink file:PATH"));
    EXPECT_THAT(errors("[sink]\ntype = \"file\"\npath = \"missing/x\"\n"),
                ElementsAre("gateway.toml:3: path in [sink]: \"missing/x\" cannot be created in its directory: No such "
                            "file or directory; create the directory, change its rights or name another file"));
    EXPECT_THAT(errors("[sink]\ntype = \"file\"\npath = \".\"\n"),
                ElementsAre("gateway.toml:3: path in [sink]: \".\" is a directory; name a file in it"));
}

TEST_F(LoadConfig, FlagsWinOverTheFileForAllListeners) {
    Overrides overrides;
    overrides.flags = {flag(Section::listener, "detect_within", "20s"), flag(Section::sink, "type", "file:out")};
    const LoadOutcome outcome = load(
        "[[listener]]\ndetect_within = \"nonsense\"\n[[listener]]\nname = \"b\"\n"
        "address = \"127.0.0.1:7001\"\n",
        overrides);
    EXPECT_THAT(messages(outcome), testing::SizeIs(1)) << "what is wrong in the file stays wrong";
    const LoadOutcome good =
        load("[[listener]]\n[[listener]]\nname = \"b\"\naddress = \"127.0.0.1:7001\"\n", overrides);
    ASSERT_TRUE(good.loaded) << good.errors[0].message;
    EXPECT_EQ(good.loaded->config.server.listeners[0].detect_within, seconds(20));
    EXPECT_EQ(good.loaded->config.server.listeners[1].detect_within, seconds(20));
    EXPECT_EQ(good.loaded->config.sink.path, "out");
    EXPECT_EQ(good.loaded->origin_text(*find_option(Section::listener, "detect_within"), 1), "--detect-within");
    EXPECT_EQ(good.loaded->origin_text(*find_option(Section::sink, "path"), 0), "--sink");
}

TEST_F(LoadConfig, ListenReplacesTheListeners) {
    Overrides overrides;
    overrides.listen = {"127.0.0.1:8001", "127.0.0.1:8002"};
    const LoadOutcome outcome =
        load("[[listener]]\nname = \"fleet\"\ndetect_within = \"40s\"\n[[listener]]\nname = \"b\"\n", overrides);
    ASSERT_TRUE(outcome.loaded) << outcome.errors[0].message;
    const auto& listeners = outcome.loaded->config.server.listeners;
    ASSERT_EQ(listeners.size(), 2U);
    EXPECT_EQ(listeners[0].name, "fleet");
    EXPECT_EQ(listeners[1].name, "fleet-2");
    EXPECT_EQ(listeners[1].address, "127.0.0.1:8002");
    EXPECT_EQ(listeners[1].detect_within, seconds(40));
    EXPECT_EQ(outcome.loaded->origin_text(*find_option(Section::listener, "detect_within"), 1), "gateway.toml:3");
    EXPECT_EQ(outcome.loaded->origin_text(*find_option(Section::listener, "address"), 1), "--listen");
}

TEST_F(LoadConfig, WrongFlagsAreNamed) {
    Overrides overrides;
    overrides.flags = {flag(Section::listener, "detect_within", "30"), flag(Section::sink, "type", "kafka")};
    overrides.listen = {"127.0.0.1:7000", "127.0.0.1:7000"};
    EXPECT_THAT(
        messages(load_config(std::nullopt, overrides)),
        ElementsAre("--detect-within: \"30\" has no unit; write a number and its unit, e.g. \"500ms\", \"30s\", "
                    "\"5m\" or \"1h\"",
                    "--sink: \"kafka\" is unknown; write \"stdout\", \"file\", \"none\", "
                    "\"spool\" or \"nats\"",
                    "--listen: listeners \"devices\" at 127.0.0.1:7000 and \"devices-2\" at 127.0.0.1:7000 overlap; "
                    "give one of them another address or port"));
}

TEST_F(LoadConfig, WarnsOfWhatIsProbablyNotWanted) {
    const LoadOutcome outcome = load("[[listener]]\ndetect_within = \"20s\"\nwrite_stall = \"1m\"\n");
    ASSERT_TRUE(outcome.loaded) << outcome.errors[0].message;
    EXPECT_THAT(outcome.loaded->warnings,
                ElementsAre("gateway.toml:3: listener \"devices\": write_stall 1m is longer than detect_within 20s; a "
                            "device that answers but does not read stays open for write_stall"));
    const LoadOutcome hasty = load("[[listener]]\ndetect_within = \"5s\"\n");
    ASSERT_TRUE(hasty.loaded) << hasty.errors[0].message;
    ASSERT_EQ(hasty.loaded->warnings.size(), 1U);
    EXPECT_THAT(
        hasty.loaded->warnings[0],
        testing::MatchesRegex("gateway.toml:2: listener \"devices\": detect_within 5s tolerates [1-3] lost probes? .*"
                              "of 10,000 living idle connections a day are closed; choose 10s or more to tolerate 4"));
    EXPECT_THAT(load("[[listener]]\ndetect_within = \"10s\"\n[admin]\naddress = \"[::1]:7080\"\n").loaded->warnings,
                IsEmpty());
}

}  // namespace
}  // namespace holdfast
