#pragma once

#include <string>

#include <holdfast/result.h>

#include "app/admin_client.h"
#include "app/answer_view.h"
#include "doctor/facts.h"

namespace holdfast {

/// What a gateway says of itself, as far as the doctor needs it.
struct GatewayAnswer {
    GatewayFacts facts;
    std::uint64_t max_connections = 0;
    std::uint64_t reactors = 0;
    double uptime_s = 0;
    int pid = 0;  ///< on its own host
};

/// Reads a /v1/status. Pure.
[[nodiscard]] GatewayAnswer read_status(const AnswerView& status);
/// Reads a /v1/reconciliation. Pure.
[[nodiscard]] ReconciliationSeen read_reconciliation(const AnswerView& answer);

/// Asks the gateway there, and if it runs on this host looks at its process and its sockets.
[[nodiscard]] Result<GatewayAnswer> examine_gateway(const AdminAccess& access);

}  // namespace holdfast
