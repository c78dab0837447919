#pragma once

#include <string>

#include "cli/command_line.h"

namespace holdfast {

// These generate the completions of a shell from the verbs and flags of the command line. Pure.

[[nodiscard]] std::string bash_completions(const Verb& root);
[[nodiscard]] std::string zsh_completions(const Verb& root);
[[nodiscard]] std::string fish_completions(const Verb& root);

}  // namespace holdfast
