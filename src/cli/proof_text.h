#pragma once

#include <string>

#include "doctor/proof.h"

namespace holdfast {

/// Returns a line for each failure, with measured and promised time, and the verdict. Pure.
[[nodiscard]] std::string proof_text(const Proof& proof);

}  // namespace holdfast
