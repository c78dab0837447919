#pragma once

#include <string>

#include "client/admin_client.h"

namespace holdfast {

// These format the API's answers for the terminal. Each line ends in a line feed. Text from devices is made printable.
// Pure.

[[nodiscard]] std::string status_text(const AnswerView& status);
[[nodiscard]] std::string connection_text(const AnswerView& connection);
[[nodiscard]] std::string probe_text(const AnswerView& answer);
[[nodiscard]] std::string probes_text(const AnswerView& summary);

/// Returns a sentence that explains the evidence of an open connection.
[[nodiscard]] std::string evidence_meaning(const AnswerView& connection);

}  // namespace holdfast
