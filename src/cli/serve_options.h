#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "config/load.h"

namespace holdfast {

/// Returns --config and every flag of the option table.
[[nodiscard]] Arguments serve_arguments(ConfigSource& options);

/// Returns the flag of a row, with its default in the help text. Calls `store` with the text of the command line.
[[nodiscard]] Argument flag_of(const Option& option, const std::string& default_text,
                               std::function<void(const std::string&)> store);

/// Prints one line for each error on standard error: "FILE:LINE: ...", or "holdfast: ..." for an error outside the
/// file.
void print_config_errors(const std::vector<ConfigError>& errors);

}  // namespace holdfast
