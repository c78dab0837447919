#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "app/answer_view.h"
#include "app/verb.h"

namespace holdfast {

// The verbs about the population as a whole, and about the configuration.

void add_alarms_verb(CLI::App& app, VerbAction& selected);
void add_reload_verb(CLI::App& app, VerbAction& selected);

/// What `holdfast alarms` prints: what is active, and with `recent` what was. Pure.
[[nodiscard]] std::string alarms_text(const AnswerView& board, bool recent);

}  // namespace holdfast
