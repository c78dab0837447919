#pragma once

#include <CLI/CLI.hpp>

#include "app/verb.h"

namespace holdfast {

/// The verbs that ask a running gateway over its admin address: status, top, list, show, closed, probe, close, send,
/// alarms, reload, consume.
void add_client_verbs(CLI::App& app, VerbAction& selected);

}  // namespace holdfast
