#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast top`: the gateway at a glance, live in the terminal, or once.
void add_top_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
