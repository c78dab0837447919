#pragma once

#include <string>

#include "doctor/diagnose.h"
#include "doctor/proof.h"

namespace holdfast {

/// Returns a line for each check, the details of each check that is not good, and the totals. Pure.
[[nodiscard]] std::string findings_text(const Findings& findings);

/// Returns `text` in lines of at most `width` characters, broken at spaces. Each line but the first begins with
/// `indent` spaces. Pure.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

/// Returns a line for each failure, with measured and promised time, and the verdict. Pure.
[[nodiscard]] std::string proof_text(const Proof& proof);

}  // namespace holdfast
