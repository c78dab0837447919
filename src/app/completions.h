#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace holdfast {

// What shells need to complete the command line, made of the verbs and flags that it is read by. Pure.

[[nodiscard]] std::string bash_completions(const CLI::App& app);
[[nodiscard]] std::string zsh_completions(const CLI::App& app);
[[nodiscard]] std::string fish_completions(const CLI::App& app);

}  // namespace holdfast
