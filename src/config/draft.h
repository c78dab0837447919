#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "config/load.h"

namespace holdfast {

/// Configuration under construction: the values read so far and their errors.
struct Draft {
    LoadedConfig loaded;
    std::vector<std::uint32_t> listener_lines;  ///< lines of the [[listener]] headers in the file
    std::set<Spot> failed;                      ///< options with an error; errors that follow are not reported
    std::vector<ConfigError> errors;

    [[nodiscard]] Object object(const Option& option, std::size_t listener) {
        return object_of(option, loaded.config, listener);
    }

    void error_at(std::uint32_t line, const std::string& message) {
        errors.push_back({loaded.file + ":" + std::to_string(line) + ": " + message, true, line});
    }
};

/// Reads TOML text into `draft`, whose `file` is the name in messages. Adds an error for each fault.
void read_toml(std::string_view text, Draft& draft);

}  // namespace holdfast
