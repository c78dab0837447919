#pragma once

#include <holdfast/result.h>

#include "doctor/proof.h"
#include "doctor/two_networks.h"

namespace holdfast {

/// Runs a gateway in one network and devices in the other that die in every way of the death table, all side by side,
/// and measures; takes little longer than the plan's bound. The calling thread changes networks meanwhile.
[[nodiscard]] Result<Proof> prove(const LivenessPlan& plan, const TwoNetworks& networks);

}  // namespace holdfast
