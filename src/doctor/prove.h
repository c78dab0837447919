#pragma once

#include <holdfast/result.h>

#include "doctor/proof.h"
#include "doctor/two_networks.h"

namespace holdfast {

/// Runs a gateway in one network and devices in the other, which end in every way of the table side by side, and
/// measures. Takes little longer than the plan's bound. The calling thread changes networks during the run.
[[nodiscard]] Result<Proof> prove(const LivenessPlan& plan, const TwoNetworks& networks);

}  // namespace holdfast
