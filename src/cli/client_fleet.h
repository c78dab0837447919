#pragma once

#include <string>

#include "cli/client_ask.h"

namespace holdfast {

/// Shows all gateways, for `status --fleet`.
int show_fleet(const ClientFlags& flags);

// These return the text of an answer for the terminal. Pure.
[[nodiscard]] std::string fleet_list_text(const AnswerView& fleet);
[[nodiscard]] std::string fleet_status_text(const AnswerView& fleet);

}  // namespace holdfast
