#include "config/option.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <type_traits>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string full_name(const Option& option) {
    return std::string(name_of(option.section)) + "." + std::string(option.name);
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

TEST(OptionTable, DefaultsAreThoseOfTheStructs) {
    DaemonConfig config;
    for (const Option& option : all_options()) {
        EXPECT_EQ(value_text(option, {config, config.server.listeners[0]}), option.default_text) << full_name(option);
    }
}

TEST(OptionTable, EveryDefaultReadsBackAsItself) {
    for (const Option& option : all_options()) {
        DaemonConfig config;
        const Target target{config, config.server.listeners[0]};
        EXPECT_EQ(store_text(option, target, option.default_text), std::nullopt) << full_name(option);
        EXPECT_EQ(value_text(option, target), option.default_text) << full_name(option);
    }
}

TEST(OptionTable, RangesFitTheirPlaces) {
    for (const Option& option : all_options()) {
        std::visit(
            [&](auto ref) {
                using T = std::remove_reference_t<std::invoke_result_t<decltype(ref), Target>>;
                if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
                    EXPECT_TRUE(std::in_range<T>(option.least)) << full_name(option);
                    EXPECT_TRUE(std::in_range<T>(option.most)) << full_name(option);
                    EXPECT_LT(option.most, std::numeric_limits<std::int64_t>::max()) << full_name(option);
                }
                EXPECT_EQ(std::is_enum_v<T>, option.type == OptionType::choice) << full_name(option);
            },
            option.place);
    }
}

TEST(OptionTable, EveryChoiceIsStoredAndPrinted) {
    for (const Option& option : all_options()) {
        for (const std::string_view word : option.choices) {
            DaemonConfig config;
            const Target target{config, config.server.listeners[0]};
            EXPECT_EQ(store_text(option, target, word), std::nullopt);
            EXPECT_EQ(value_text(option, target), word) << full_name(option);
        }
    }
}

TEST(OptionTable, FramingWordsAreThoseOfTheLibrary) {
    const Option* framing = find_option(Section::listener, "framing");
    ASSERT_NE(framing, nullptr);
    EXPECT_EQ(framing->choices[static_cast<std::size_t>(Framing::ndjson)], "ndjson");
    EXPECT_EQ(framing->choices[static_cast<std::size_t>(Framing::json)], "json");
    EXPECT_EQ(framing->choices[static_cast<std::size_t>(Framing::length)], "length");
}

/// What storing `raw` complains about; empty if it does not.
std::string complaint(Section section, std::string_view name, const RawValue& raw) {
    DaemonConfig config;
    const Option* option = find_option(section, name);
    if (option == nullptr) return "no such option";
    const Target target{config, config.server.listeners[0]};
    const std::string before = value_text(*option, target);
    auto found = store_value(*option, target, raw);
    if (!found) return "";
    EXPECT_EQ(value_text(*option, target), before) << "a refused value was stored";
    return *found;
}

TEST(StoreValue, SaysWhatIsWrongAndWhatToWrite) {
    using namespace std::string_literals;
    EXPECT_EQ(complaint(Section::listener, "read_idle", std::int64_t{30}),
              R"(30 is a number: write a duration with its unit, in quotes, e.g. "30s", or "off")");
    EXPECT_EQ(complaint(Section::listener, "detect_within", true),
              R"(true is a boolean: write a duration with its unit, in quotes, e.g. "30s")");
    EXPECT_EQ(complaint(Section::listener, "read_idle", "0s"s), "0s is out of range: write 1s to 720h");
    EXPECT_EQ(complaint(Section::listener, "write_stall", "off"s),
              R"("off" is not a duration: write a number and its unit, e.g. "500ms", "30s", "5m" or "1h")");
    EXPECT_EQ(complaint(Section::item, "max_bytes", "2MiB"s), R"("2MiB" is out of range: write 16B to 1MiB)");
    EXPECT_EQ(complaint(Section::item, "max_bytes", std::int64_t{-1}), "-1 is out of range: write 16B to 1MiB");
    EXPECT_EQ(complaint(Section::item, "max_bytes", 1.5),
              R"(a number with a fraction or exponent is given: write a size, e.g. "64KiB")");
    EXPECT_EQ(complaint(Section::item, "max_bytes", std::int64_t{4'096}), "");
    EXPECT_EQ(complaint(Section::item, "max_depth", "64"s), R"("64" is a text: write a whole number, e.g. 64)");
    EXPECT_EQ(complaint(Section::item, "max_depth", std::numeric_limits<std::int64_t>::min()),
              "-9223372036854775808 is out of range: write 1 to 1024");
    EXPECT_EQ(complaint(Section::listener, "max_bad_items", std::int64_t{65'536}),
              "65536 is out of range: write 1 to 65535");
    EXPECT_EQ(complaint(Section::listener, "reuse_port", "yes"s), R"("yes" is a text: write true or false)");
    EXPECT_EQ(complaint(Section::item, "key", Other{"an array"}),
              R"(an array is given: write a text in quotes, e.g. "ip")");
    EXPECT_EQ(complaint(Section::sink, "type", "kafka"s),
              R"("kafka" is not one that this version has: write "stdout", "file", "none", "spool" or "nats")");
    EXPECT_EQ(complaint(Section::log, "format", std::int64_t{1}), R"(1 is a number: write "text" or "json")");
}

TEST(StoreText, ReadsFlags) {
    DaemonConfig config;
    const Target target{config, config.server.listeners[0]};
    EXPECT_EQ(store_text(*find_option(Section::top, "reactors"), target, "4"), std::nullopt);
    EXPECT_EQ(config.server.reactors, 4U);
    EXPECT_EQ(store_text(*find_option(Section::listener, "read_idle"), target, "off"), std::nullopt);
    EXPECT_EQ(config.server.listeners[0].read_idle, std::nullopt);
    for (const char* text : {"", "four", "4x", "1.5", "99999999999999999999"}) {
        EXPECT_EQ(store_text(*find_option(Section::top, "reactors"), target, text),
                  '"' + std::string(text) + "\" is not a whole number: write e.g. 0");
    }
    EXPECT_EQ(config.server.reactors, 4U);
}

/// The row that docs/CONFIG.md has for the option.
std::string reference_row(const Option& option) {
    const bool quotes =
        option.type != OptionType::count && option.type != OptionType::boolean && option.type != OptionType::texts;
    const std::string value = quotes ? '"' + std::string(option.default_text) + '"' : std::string(option.default_text);
    const std::string flag = option.flag.empty() ? "" : "`" + std::string(option.flag) + "`";
    return "| `" + std::string(option.name) + "` | `" + value + "` | " + flag + " | " + std::string(option.help) + " |";
}

TEST(Documentation, NamesEveryOptionWithItsDefault) {
    const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
    std::ifstream file(root / "docs" / "CONFIG.md");
    ASSERT_TRUE(file) << "docs/CONFIG.md cannot be read";
    std::stringstream content;
    content << file.rdbuf();
    const std::string text = content.str();
    for (std::size_t i = 0; i < all_options().size(); ++i) {
        const Option& option = all_options()[i];
        const std::string heading =
            option.section == Section::top ? "### At the top" : "###" + in_section(option.section).substr(3);
        const std::size_t start = text.find(heading + "\n");
        ASSERT_NE(start, std::string::npos) << "docs/CONFIG.md lacks: " << heading;
        const std::string chapter = text.substr(start, text.find("\n##", start + 1) - start);
        EXPECT_NE(chapter.find(reference_row(option) + "\n"), std::string::npos)
            << "under " << heading << " docs/CONFIG.md lacks the row:\n"
            << reference_row(option);
    }
}

}  // namespace
}  // namespace holdfast
