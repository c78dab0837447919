#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast load`.
void add_load_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
