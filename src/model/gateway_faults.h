#pragma once

#include <string>
#include <string_view>

#include "text/printable.h"

namespace holdfast {

// Sentences about a fault of a running gateway: `status`, `top`, `doctor`, /healthz, /readyz and alarms print the same.
// The arguments are made printable. Pure.

[[nodiscard]] inline std::string sink_fault_text(std::string_view error) {
    return "the sink cannot write: " + printable(error);
}

[[nodiscard]] inline std::string accept_paused_text(std::string_view listener) {
    return "listener " + in_quotes(listener) + " has paused accepting: out of descriptors or memory; raise LimitNOFILE";
}

/// Returns the sentence with a capital first letter and a full stop, as the cause of an alarm is written.
[[nodiscard]] inline std::string as_cause(std::string fault) {
    if (!fault.empty() && fault.front() >= 'a' && fault.front() <= 'z') fault.front() += 'A' - 'a';
    return fault + ".";
}

}  // namespace holdfast
