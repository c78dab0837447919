#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// `holdfast doctor`.
void add_doctor_verb(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
