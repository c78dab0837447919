#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast check`.
void add_check_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
