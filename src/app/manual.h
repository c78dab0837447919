#pragma once

#include <string>

#include "app/command_line.h"

namespace holdfast {

// The manual's pages in man(7)'s language, made of what the command and its configuration are read by: there is no
// second text of them. Pure.

/// holdfast(1): every verb with its flags.
[[nodiscard]] std::string command_page(const Verb& root);
/// holdfast.toml(5): every option.
[[nodiscard]] std::string configuration_page();

}  // namespace holdfast
