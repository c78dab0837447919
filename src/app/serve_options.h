#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "config/load.h"

namespace holdfast {

/// What the flags of `serve` and `check` say.
struct ServeOptions {
    std::optional<std::string> config;
    Overrides overrides;

    [[nodiscard]] LoadOutcome load() const { return load_config(config, overrides); }
};

/// Adds --config and every flag of the option table. `options` must live as long as `verb` parses.
void add_serve_options(CLI::App& verb, ServeOptions& options);

/// One line each on standard error: "FILE:LINE: ...", or "holdfast: ..." for what is not about a line of the file.
void print_config_errors(const std::vector<ConfigError>& errors);

}  // namespace holdfast
