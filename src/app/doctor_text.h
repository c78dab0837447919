#pragma once

#include <string>

#include "doctor/finding.h"

namespace holdfast {

/// A line for each check, then what is not well in detail, then the sum. Pure.
[[nodiscard]] std::string findings_text(const Findings& findings);

/// `text` in lines of at most `width` characters where it has spaces, each behind `indent` spaces but the first. Pure.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

}  // namespace holdfast
