#pragma once

#include <string>

#include "cli/command_line.h"

namespace holdfast {

// These generate the manual's pages in man(7)'s language from the verbs, the flags and the option table. Pure.

/// Returns holdfast(1): every verb with its flags.
[[nodiscard]] std::string command_page(const Verb& root);
/// Returns holdfast.toml(5): every option.
[[nodiscard]] std::string configuration_page();

}  // namespace holdfast
