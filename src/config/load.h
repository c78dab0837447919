#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options/daemon_config.h"
#include "options/option.h"

namespace holdfast {

/// Where a value comes from: the default, a line of the file, or a flag.
struct Origin {
    std::uint32_t line = 0;
    std::string_view flag;
};

/// An option, of one listener where it is a listener's (0 elsewhere).
using Spot = std::pair<const Option*, std::size_t>;

struct LoadedConfig {
    DaemonConfig config;
    std::string file;                   ///< as it was named; empty: none
    std::map<Spot, Origin> origins;     ///< of what is not a default
    std::vector<std::string> warnings;  ///< one line each: allowed, but probably not what is wanted
    bool blank = false;                 ///< there is a file, and nothing but white space in it

    /// "default", "gateway.toml:3" or "--detect-within".
    [[nodiscard]] std::string origin_text(const Option& option, std::size_t listener) const;
};

/// One line: "gateway.toml:3: what is wrong: what to do".
struct ConfigError {
    std::string message;
    bool in_file = false;  ///< about a line of the file; otherwise about a flag, or the file as a whole
    std::uint32_t line = 0;
};

/// What the command line says. A flag of a listener's option holds for all listeners; `listen` replaces the
/// listeners by one for each address, with the first listener's other options.
struct Overrides {
    struct Flag {
        const Option* option;
        std::string text;
    };
    std::vector<Flag> flags;
    std::vector<std::string> listen;
};

/// All errors there are, in the order of the file, or a configuration that has been checked as a whole.
struct LoadOutcome {
    std::optional<LoadedConfig> loaded;
    std::vector<ConfigError> errors;  ///< empty if it was loaded
};

/// Defaults, then the file, then the flags. Reads the file, looks at the sink's directory, makes and binds nothing.
[[nodiscard]] LoadOutcome load_config(const std::optional<std::filesystem::path>& file, const Overrides& overrides);

/// The same of a file's text; `name` is for messages.
[[nodiscard]] LoadOutcome load_config_text(std::string_view name, std::string_view text, const Overrides& overrides);

}  // namespace holdfast
