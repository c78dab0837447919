#include "options/option.h"

#include <limits>
#include <set>
#include <type_traits>

#include <gtest/gtest.h>

#include <holdfast/status.h>

namespace holdfast {
namespace {

std::string full_name(const Option& option) {
    return std::string(name_of(option.section)) + "." + std::string(option.key);
}

TEST(OptionTable, NamesAndFlagsAreUnique) {
    std::set<std::string> names;
    std::set<std::string_view> flags;
    for (const Option& option : all_options()) {
        EXPECT_TRUE(names.insert(full_name(option)).second) << full_name(option);
        if (option.flag.empty()) continue;
        EXPECT_TRUE(flags.insert(option.flag).second) << option.flag;
    }
    EXPECT_GT(names.size(), 20U);
}

/// Notes of an option are found by the address of its row: see Spot.
TEST(OptionTable, EachRowExistsOnce) {
    std::vector<const Option*> rows;
    for (const Option& option : server_options()) rows.push_back(&option);
    for (const Option& option : daemon_options()) rows.push_back(&option);
    ASSERT_EQ(rows.size(), all_options().size());
    for (const Option* row : rows) EXPECT_EQ(find_option(row->section, row->key), row) << full_name(*row);
}

TEST(OptionTable, EveryDefaultReadsBackAsItself) {
    for (const Option& option : all_options()) {
        if (option.type() == OptionType::texts) continue;  // commas in a flag, brackets in a file
        DaemonConfig config;
        EXPECT_EQ(store_text(option, object_of(option, config), default_text(option)), std::nullopt)
            << full_name(option);
        EXPECT_EQ(stored_text(option, object_of(option, config)), default_text(option)) << full_name(option);
    }
}

TEST(OptionTable, RangesFitTheirPlaces) {
    for (const Option& option : all_options()) {
        DaemonConfig config;
        const auto fits = [&](auto* value) {
            using T = std::remove_pointer_t<decltype(value)>;
            const bool is_amount = option.type() == OptionType::count || option.type() == OptionType::size;
            if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
                if (!is_amount) return;
                EXPECT_TRUE(std::in_range<T>(option.range.min)) << full_name(option);
                EXPECT_TRUE(std::in_range<T>(option.range.max)) << full_name(option);
            }
            if (is_amount || option.type() == OptionType::duration) {
                EXPECT_LT(option.range.max, std::numeric_limits<std::int64_t>::max()) << full_name(option);
            }
        };
        std::visit(fits, option.place.in(object_of(option, config)));
    }
}

TEST(OptionTable, EveryWordIsStoredAndPrinted) {
    for (const Option& option : all_options()) {
        EXPECT_EQ(option.place.words.empty(), option.type() != OptionType::choice) << full_name(option);
        for (const std::string_view word : option.place.words) {
            DaemonConfig config;
            const Object object = object_of(option, config);
            EXPECT_EQ(store_text(option, object, word), std::nullopt);
            EXPECT_EQ(value_text(option, object), word) << full_name(option);
        }
    }
}

TEST(OptionTable, EveryOptionHasHelpAndAnExampleThatIsNotTheDefault) {
    for (const Option& option : all_options()) {
        EXPECT_FALSE(option.help.empty()) << full_name(option);
        EXPECT_LE(option.help.size(), 80U) << full_name(option) << ": " << option.help;
        DaemonConfig config;
        const Object object = object_of(option, config);
        EXPECT_EQ(store_text(option, object, option.example), std::nullopt) << full_name(option);
        EXPECT_NE(stored_text(option, object), default_text(option)) << full_name(option);
        EXPECT_EQ(out_of_range(option, object), std::nullopt) << full_name(option);
    }
}

/// Returns the error of storing `raw`, or an empty text.
std::string complaint(Section section, std::string_view key, const RawValue& raw) {
    DaemonConfig config;
    const Option* option = find_option(section, key);
    if (option == nullptr) return "no such option";
    const Object object = object_of(*option, config);
    const std::string before = value_text(*option, object);
    auto found = store_value(*option, object, raw);
    if (!found) return "";
    EXPECT_EQ(value_text(*option, object), before) << "a refused value was stored";
    return *found;
}

TEST(OptionTable, TheSinksHelpHasEachOfItsWords) {
    for (const std::string_view word : words_of<SinkType>) {
        EXPECT_NE(sink_word_meanings.find("`" + std::string(word) + "`: "), std::string_view::npos) << word;
        EXPECT_NE(sink_flag_values.find(word), std::string_view::npos) << word;
    }
}

TEST(StoreValue, SaysWhatIsWrongAndWhatToWrite) {
    using namespace std::string_literals;
    EXPECT_EQ(complaint(Section::listener, "read_idle", std::int64_t{30}),
              R"(30 is a number; write a duration with its unit, in quotes, e.g. "30s", or "off")");
    EXPECT_EQ(complaint(Section::listener, "detect_within", true),
              R"(true is a boolean; write a duration with its unit, in quotes, e.g. "30s")");
    EXPECT_EQ(complaint(Section::listener, "read_idle", "0s"s), "0s is out of range; write 1s to 720h");
    EXPECT_EQ(complaint(Section::listener, "write_stall", "off"s),
              R"("off" is not a duration; write a number and its unit, e.g. "500ms", "30s", "5m" or "1h")");
    EXPECT_EQ(complaint(Section::item, "max_bytes", "2MiB"s), R"("2MiB" is out of range; write 16B to 1MiB)");
    EXPECT_EQ(complaint(Section::item, "max_bytes", std::int64_t{-1}), "-1 is out of range; write 16B to 1MiB");
    EXPECT_EQ(complaint(Section::item, "max_bytes", 1.5),
              R"(a number with a fraction or exponent is given; write a size, e.g. "4KiB")");
    EXPECT_EQ(complaint(Section::item, "max_bytes", std::int64_t{4'096}), "");
    EXPECT_EQ(complaint(Section::item, "max_depth", "64"s), R"("64" is a text; write a whole number, e.g. 16)");
    EXPECT_EQ(complaint(Section::item, "max_depth", std::numeric_limits<std::int64_t>::min()),
              "-9223372036854775808 is out of range; write 1 to 1024");
    EXPECT_EQ(complaint(Section::listener, "max_bad_items", std::int64_t{65'536}),
              "65536 is out of range; write 1 to 65535");
    EXPECT_EQ(complaint(Section::listener, "reuse_port", "yes"s), R"("yes" is a text; write true or false)");
    EXPECT_EQ(complaint(Section::item, "key", Other{"an array"}),
              R"(an array is given; write a text in quotes, e.g. "serial")");
    EXPECT_EQ(complaint(Section::sink, "type", "kafka"s),
              R"("kafka" is unknown; write "stdout", "file", "none", "spool" or "nats")");
    EXPECT_EQ(complaint(Section::log, "format", std::int64_t{1}), R"(1 is a number; write "text" or "json")");
}

TEST(StoreValue, NamesTheLowerEndOfARangeThatHasNoOther) {
    ServerConfig config;
    const Option option{.place = at<&ServerConfig::reactors>};
    EXPECT_EQ(store_value(option, config, std::int64_t{-1}), "-1 is out of range; write 0 or more");
    EXPECT_EQ(range_text(option), "");
}

TEST(StoreText, ReadsFlags) {
    DaemonConfig config;
    EXPECT_EQ(store_text(*find_option(Section::top, "reactors"), config.server, "4"), std::nullopt);
    EXPECT_EQ(config.server.reactors, 4U);
    EXPECT_EQ(store_text(*find_option(Section::listener, "read_idle"), config.server.listeners[0], "off"),
              std::nullopt);
    EXPECT_EQ(config.server.listeners[0].read_idle, std::nullopt);
    for (const char* text : {"", "four", "4x", "1.5", "99999999999999999999"}) {
        EXPECT_EQ(store_text(*find_option(Section::top, "reactors"), config.server, text),
                  '"' + std::string(text) + "\" is not a whole number; write e.g. 4");
    }
    EXPECT_EQ(config.server.reactors, 4U);
}

TEST(StoreText, SplitsAListAtItsCommas) {
    ListenerConfig listener;
    const Option& proxies = *find_option(Section::listener, "trusted_proxies");
    EXPECT_EQ(store_text(proxies, listener, "10.0.0.0/8,192.0.2.7"), std::nullopt);
    EXPECT_EQ(listener.trusted_proxies, (std::vector<std::string>{"10.0.0.0/8", "192.0.2.7"}));
    EXPECT_EQ(value_text(proxies, listener), R"(["10.0.0.0/8", "192.0.2.7"])");
    EXPECT_EQ(store_text(proxies, listener, ""), std::nullopt);
    EXPECT_EQ(value_text(proxies, listener), "[]");
}

/// Holds the configuration of one listener and the report of its reloads.
struct Gateway {
    DaemonConfig config;
    ApplyReport report;

    void reload(DaemonConfig wanted) {
        const ListenerConfig listener = reconfigured(config.server.listeners[0], wanted.server.listeners[0], report);
        for (const Option& option : daemon_options()) take_change(option, config, wanted, {}, report);
        config.server = reconfigured(config.server, wanted.server, report);
        config.server.listeners[0] = listener;
    }
    /// Returns the options that differ from those of `other`.
    std::vector<std::string> differences(DaemonConfig other) {
        std::vector<std::string> out;
        for (const Option& option : all_options()) {
            const std::string is = stored_text(option, object_of(option, config));
            if (is != stored_text(option, object_of(option, other))) out.push_back(full_name(option));
        }
        return out;
    }
};

/// Returns a configuration of each kind that affects a reload: each sink type, a listener with TLS, one behind a proxy.
std::vector<DaemonConfig> running_configurations() {
    std::vector<DaemonConfig> all;
    for (std::size_t type = 0; type < words_of<SinkType>.size(); ++type) {
        all.emplace_back().sink.type = static_cast<SinkType>(type);
    }
    all.emplace_back().server.listeners[0].tls.certificate = "running.pem";
    all.emplace_back().server.listeners[0].proxy_protocol = ProxyProtocol::v1;
    return all;
}

/// Stores a value that differs from the running one: the example, the default, or another word.
void change(const Option& option, DaemonConfig& config) {
    const Object object = object_of(option, config);
    const std::string before = stored_text(option, object);
    std::vector<std::string> values{std::string(option.example), default_text(option)};
    values.insert(values.end(), option.place.words.begin(), option.place.words.end());
    for (const std::string& value : values) {
        ASSERT_EQ(store_text(option, object, value), std::nullopt) << full_name(option);
        if (stored_text(option, object) != before) return;
    }
    FAIL() << full_name(option) << " has no other value than " << before;
}

TEST(Reload, EachChangedOptionIsReportedOnceAndTakenIfAndOnlyIfItIsLive) {
    for (const DaemonConfig& running : running_configurations()) {
        for (const Option& option : all_options()) {
            Gateway gateway{.config = running, .report = {}};
            DaemonConfig wanted = running;
            change(option, wanted);
            gateway.reload(wanted);
            const auto& [applied, needs_restart] = gateway.report;
            ASSERT_EQ(applied.size() + needs_restart.size(), 1U) << full_name(option);
            const std::string& line = applied.empty() ? needs_restart[0] : applied[0];
            EXPECT_TRUE(line.starts_with(std::string(option.key) + (option.section == Section::listener
                                                                        ? " of listener \"devices\": "
                                                                        : in_section(option.section) + ": ")))
                << line;
            const bool taken = gateway.differences(running) == std::vector<std::string>{full_name(option)};
            EXPECT_EQ(taken, !applied.empty()) << line;
            EXPECT_EQ(gateway.differences(wanted).empty(), taken) << line;
            if (option.reload == OnReload::restart || option.waits == nullptr) {
                EXPECT_EQ(taken, option.reload == OnReload::live) << line;
            }
        }
    }
}

TEST(Reload, AListenerIsPlainOrHasTlsForItsLife) {
    ListenerConfig plain;
    ListenerConfig with_tls;
    with_tls.tls.certificate = "a.pem";
    with_tls.tls.key = "a.key";
    ApplyReport report;
    EXPECT_FALSE(reconfigured(plain, with_tls, report).tls.enabled());
    EXPECT_TRUE(reconfigured(with_tls, plain, report).tls.enabled());
    EXPECT_EQ(report.applied.size(), 0U);
    EXPECT_EQ(report.needs_restart.size(), 4U);
    ListenerConfig renewed = with_tls;
    renewed.tls.certificate = "b.pem";
    EXPECT_EQ(reconfigured(with_tls, renewed, report).tls.certificate, "b.pem");
    EXPECT_EQ(report.applied.size(), 1U);
}

TEST(Reload, AListenerKeepsItsInheritedSocket) {
    ListenerConfig bound;
    ListenerConfig moved;
    moved.address = "127.0.0.1:7001";
    ListenerConfig inherited;
    inherited.address = "fd:3";
    ListenerConfig other;
    other.address = "fd:4";
    ApplyReport report;
    EXPECT_EQ(reconfigured(bound, inherited, report).address, bound.address);
    EXPECT_EQ(reconfigured(inherited, bound, report).address, "fd:3");
    EXPECT_EQ(reconfigured(inherited, other, report).address, "fd:3");
    EXPECT_EQ(report.applied.size(), 0U);
    EXPECT_EQ(report.needs_restart.size(), 3U);
    EXPECT_EQ(reconfigured(bound, moved, report).address, moved.address);
    EXPECT_EQ(report.applied.size(), 1U);
}

TEST(Reload, ASpoolStaysInItsDirectoryAndAFileMoves) {
    for (const SinkType type : {SinkType::file, SinkType::spool}) {
        Gateway gateway;
        gateway.config.sink.type = type;
        gateway.config.sink.path = "before";
        DaemonConfig wanted = gateway.config;
        wanted.sink.path = "after";
        gateway.reload(wanted);
        EXPECT_EQ(gateway.config.sink.path, type == SinkType::file ? "after" : "before");
        EXPECT_EQ(gateway.report.applied.size(), type == SinkType::file ? 1U : 0U);
    }
}

TEST(Reload, ComparesListsToTheLastByte) {
    const std::string label(60, 'a');
    Gateway gateway;
    gateway.config.admin.hosts = {label + "." + label + ".example.org"};
    DaemonConfig wanted;
    wanted.admin.hosts = {label + "." + label + ".example.com"};
    gateway.reload(wanted);
    EXPECT_EQ(gateway.report.needs_restart.size(), 1U);
}

TEST(Reload, PrintsNoSecret) {
    Gateway gateway;
    DaemonConfig wanted;
    wanted.sink.url = "nats://user:password@10.0.0.5";
    wanted.alarm.webhook = "https://alerts.example.org/token";
    gateway.reload(wanted);
    EXPECT_EQ(gateway.report.needs_restart[0].find("password"), std::string::npos);
    EXPECT_EQ(gateway.report.applied[0].find("token"), std::string::npos);
}

}  // namespace
}  // namespace holdfast
