#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

// The verbs that only look.

void add_status_verb(CLI::App& app, VerbAction& selected);
void add_list_verb(CLI::App& app, VerbAction& selected);
void add_show_verb(CLI::App& app, VerbAction& selected);
void add_closed_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
