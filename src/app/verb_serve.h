#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast serve`.
void add_serve_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
