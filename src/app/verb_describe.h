#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// Adds `completions` and `manual`, which print what packages install beside the command, and the hidden `describe`,
/// which prints generated pages of docs/reference. `app` must outlive them.
void add_describe_verbs(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
