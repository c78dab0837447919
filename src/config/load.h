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

/// Origin of a value: the default, a line of the file, or a flag.
struct Origin {
    std::uint32_t line = 0;
    std::string_view flag;
};

/// An option, and the index of its listener (0 for other options).
using Spot = std::pair<const Option*, std::size_t>;

struct LoadedConfig {
    DaemonConfig config;
    std::string file;                   ///< name as given; empty: no file
    std::map<Spot, Origin> origins;     ///< origins of all values that are not defaults
    std::vector<std::string> warnings;  ///< one line each: allowed, but probably not intended
    bool blank = false;                 ///< the file holds nothing but white space

    /// Returns "default", "gateway.toml:3" or "--detect-within".
    [[nodiscard]] std::string origin_text(const Option& option, std::size_t listener) const;
};

/// An error as one line: "gateway.toml:3: what failed: remedy".
struct ConfigError {
    std::string message;
    bool in_file = false;  ///< refers to a line of the file; otherwise to a flag or the whole file
    std::uint32_t line = 0;
};

/// Values of the command line. A flag of a listener's option applies to all listeners. `listen` replaces the listeners
/// by one per address, with the first listener's other options.
struct Overrides {
    struct Flag {
        const Option* option;
        std::string text;
    };
    std::vector<Flag> flags;
    std::vector<std::string> listen;
};

/// A configuration that passed all checks, or all its errors in the order of the file.
struct LoadOutcome {
    std::optional<LoadedConfig> loaded;
    std::vector<ConfigError> errors;  ///< empty if `loaded` is set
};

/// The file and the flags of a command line, from which its configuration is loaded, and loaded again on SIGHUP.
struct ConfigSource {
    std::optional<std::string> file;
    Overrides overrides;

    [[nodiscard]] LoadOutcome load() const;
};

/// Combines the defaults, the file and the flags, in ascending precedence, and checks the result. Reads the file and
/// checks the sink's directory; creates and binds nothing.
[[nodiscard]] LoadOutcome load_config(const std::optional<std::filesystem::path>& file, const Overrides& overrides);

/// Loads a configuration from text instead of a file. `name` is for messages.
[[nodiscard]] LoadOutcome load_config_text(std::string_view name, std::string_view text, const Overrides& overrides);

/// Returns the path of process.state_file, or an empty text if there is none. The default is "state" in systemd's
/// StateDirectory, else in the spool's directory.
[[nodiscard]] std::string state_file_of(const DaemonConfig& config);

}  // namespace holdfast
