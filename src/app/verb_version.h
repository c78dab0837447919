#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast version`.
void add_version_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
