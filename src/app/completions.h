#pragma once

#include <string>

#include "app/command_line.h"

namespace holdfast {

// What shells need to complete the command line, made of the verbs and flags that it is read by. Pure.

[[nodiscard]] std::string bash_completions(const Verb& root);
[[nodiscard]] std::string zsh_completions(const Verb& root);
[[nodiscard]] std::string fish_completions(const Verb& root);

}  // namespace holdfast
