#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

// The verbs that do something to connections.

void add_probe_verb(CLI::App& app, VerbAction& selected);
void add_close_verb(CLI::App& app, VerbAction& selected);
void add_send_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
