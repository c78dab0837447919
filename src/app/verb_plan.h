#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast plan`.
void add_plan_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
