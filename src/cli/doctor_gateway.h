#pragma once

#include <variant>

#include "client/admin_reply.h"
#include "doctor/facts.h"

namespace holdfast {

/// The part of a gateway's answers that the doctor uses.
struct GatewayAnswer {
    GatewayFacts facts;
    std::uint64_t max_connections = 0;
    std::uint64_t reactors = 0;
    double uptime_s = 0;
    int pid = 0;  ///< on the host of the gateway
};

/// Reads an answer of /v1/status. Pure.
[[nodiscard]] GatewayAnswer read_status(const AnswerView& status);
/// Reads an answer of /v1/reconciliation. Pure.
[[nodiscard]] ReconciliationSeen read_reconciliation(const AnswerView& answer);

/// Queries the gateway at `access`. If it runs on this host, inspects its process and its sockets too.
[[nodiscard]] std::variant<GatewayAnswer, AdminFailure> examine_gateway(const AdminAccess& access);

}  // namespace holdfast
