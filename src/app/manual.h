#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace holdfast {

// The manual's pages in man(7)'s language, made of what the command and its configuration are read by: there is no
// second text of them. Pure.

/// Returns the verbs that help lists: those with a group.
[[nodiscard]] std::vector<const CLI::App*> shown_verbs(const CLI::App& app);

/// holdfast(1): every verb with its flags.
[[nodiscard]] std::string command_page(const CLI::App& app);
/// holdfast.toml(5): every option.
[[nodiscard]] std::string configuration_page();

}  // namespace holdfast
