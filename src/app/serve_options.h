#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "config/load.h"

namespace holdfast {

/// The flags of `serve` and `check`.
struct ServeOptions {
    std::optional<std::string> config;
    Overrides overrides;

    [[nodiscard]] LoadOutcome load() const { return load_config(config, overrides); }
};

/// Returns --config and every flag of the option table.
[[nodiscard]] Arguments serve_arguments(ServeOptions& options);

/// Returns the flag of a row, with its default in the help text. Calls `store` with the text of the command line.
[[nodiscard]] Argument flag_of(const Option& option, const std::string& default_text,
                               std::function<void(const std::string&)> store);

/// Prints one line for each error on standard error: "FILE:LINE: ...", or "holdfast: ..." for an error outside the
/// file.
void print_config_errors(const std::vector<ConfigError>& errors);

}  // namespace holdfast
