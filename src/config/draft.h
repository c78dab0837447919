#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "config/load.h"

namespace holdfast {

/// A configuration in the making: what has been read so far, and what was wrong with it.
struct Draft {
    LoadedConfig loaded;
    std::vector<std::uint32_t> listener_lines;  ///< of each [[listener]] of the file
    std::set<Spot> failed;                      ///< have an error already: what follows from it is not reported
    std::vector<ConfigError> errors;

    [[nodiscard]] Object object(const Option& option, std::size_t listener) {
        return object_of(option, loaded.config, listener);
    }

    void error_at(std::uint32_t line, const std::string& message) {
        errors.push_back({loaded.file + ":" + std::to_string(line) + ": " + message, true, line});
    }
};

/// Reads TOML text into `draft`, whose `file` is the name for messages. Everything that is wrong becomes an error.
void read_toml(std::string_view text, Draft& draft);

}  // namespace holdfast
