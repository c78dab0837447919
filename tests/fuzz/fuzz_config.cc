// The input is the text of a configuration file. Every text is either accepted, or rejected by errors that name their
// line.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/checks.h"
#include "config/load.h"

namespace {

using namespace holdfast;

constexpr std::string_view name = "gateway.toml";

void check_error(const ConfigError& error, std::size_t lines) {
    HOLDFAST_CHECK(!error.message.empty());
    for (const char c : error.message) HOLDFAST_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    if (!error.in_file) return;
    HOLDFAST_CHECK(error.line >= 1 && error.line <= lines);
    HOLDFAST_CHECK(error.message.starts_with(std::string(name) + ":" + std::to_string(error.line) + ": "));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    LoadOutcome outcome = load_config_text(name, text, {});
    HOLDFAST_CHECK(outcome.loaded.has_value() == outcome.errors.empty());
    // A lone CR ends a line in an editor but not in TOML, so this upper bound counts generously.
    const std::size_t lines = 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    for (const ConfigError& error : outcome.errors) check_error(error, lines);
    if (!outcome.loaded) return 0;
    HOLDFAST_CHECK(find_violations(outcome.loaded->config).empty());
    // In written form, every value is valid for the file.
    DaemonConfig& config = outcome.loaded->config;
    for (const Option& option : all_options()) {
        if (option.type() == OptionType::texts) continue;  // printed with brackets
        const Object object = object_of(option, config);
        HOLDFAST_CHECK(!store_text(option, object, stored_text(option, object)));
    }
    return 0;
}
