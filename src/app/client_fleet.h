#pragma once

#include <string>

#include "app/client_ask.h"

namespace holdfast {

/// list --fleet: devices of all gateways. Empty texts are no filter.
struct FleetListing {
    std::string id;
    std::string gateway;
    std::string state;
    std::string limit;
    std::string offset;
};
int list_fleet(const ClientFlags& flags, const FleetListing& listing);

/// status --fleet: all gateways.
int show_fleet(const ClientFlags& flags);

// Their texts. Pure.
[[nodiscard]] std::string fleet_list_text(const AnswerView& fleet);
[[nodiscard]] std::string fleet_status_text(const AnswerView& fleet);

}  // namespace holdfast
