#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

void add_drain_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
