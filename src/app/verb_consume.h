#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// holdfast consume: a gateway's spool as NDJSON.
void add_consume_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
