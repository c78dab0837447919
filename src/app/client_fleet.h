#pragma once

#include <string>

#include "app/client_ask.h"

namespace holdfast {

/// status --fleet: all gateways.
int show_fleet(const ClientFlags& flags);

// Their texts. Pure.
[[nodiscard]] std::string fleet_list_text(const AnswerView& fleet);
[[nodiscard]] std::string fleet_status_text(const AnswerView& fleet);

}  // namespace holdfast
