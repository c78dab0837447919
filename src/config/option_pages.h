#pragma once

#include <string>
#include <string_view>

#include "options/option.h"

namespace holdfast {

// Text of the option table for docs/reference/options.md and holdfast.toml(5). Code is between backticks. Pure.

/// Returns the help and the further text, as sentences.
[[nodiscard]] std::string option_prose(const Option& option);
/// Returns "duration, 1s to 720h, or `off`".
[[nodiscard]] std::string type_text(const Option& option);
/// Returns when a changed value takes effect.
[[nodiscard]] std::string reload_text(const Option& option);
/// Returns a value in the form of a file: a text has quotes.
[[nodiscard]] std::string toml_text(const Option& option, std::string_view value);
/// Returns "At the top", "[[listener]]", "[item]", ...
[[nodiscard]] std::string section_title(Section section);

/// Returns docs/reference/options.md.
[[nodiscard]] std::string options_page();

}  // namespace holdfast
