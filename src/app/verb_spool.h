#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// holdfast spool: back up, restore and verify the files of a spool.
void add_spool_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
