#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast token`.
void add_token_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
