#pragma once

#include "doctor/facts.h"
#include "doctor/finding.h"

namespace holdfast {

/// Judges a host, and the gateway on it if one runs, by what it is to carry. Every check gives its finding or findings,
/// good or not, in a fixed order. Pure.
[[nodiscard]] Findings diagnose(const HostFacts& host, const Demand& demand, const GatewayFacts* gateway);

}  // namespace holdfast
