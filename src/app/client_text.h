#pragma once

#include <string>

#include "app/answer_view.h"

namespace holdfast {

// The API's answers for people: the text that a verb prints, lines ending in '\n'. Device-controlled text is made
// printable. Pure.

[[nodiscard]] std::string status_text(const AnswerView& status);
[[nodiscard]] std::string connection_text(const AnswerView& connection);
[[nodiscard]] std::string probe_text(const AnswerView& answer);
[[nodiscard]] std::string probes_text(const AnswerView& summary);

/// A sentence on what the evidence of a living connection means.
[[nodiscard]] std::string evidence_meaning(const AnswerView& connection);

}  // namespace holdfast
