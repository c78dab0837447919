#pragma once

#include <string>

#include "doctor/proof.h"

namespace holdfast {

/// A line for each way to die, measured beside promised, and the verdict. Pure.
[[nodiscard]] std::string proof_text(const Proof& proof);

}  // namespace holdfast
