#pragma once

#include <string>
#include <string_view>

#include "text/printable.h"

namespace holdfast {

// Sentences about a fault of a running gateway: `status`, `top`, `doctor`, /healthz and /readyz print the same ones.
// The arguments are made printable. Pure.

[[nodiscard]] inline std::string sink_fault_text(std::string_view error) {
    return "the sink cannot write: " + printable(error);
}

[[nodiscard]] inline std::string accept_paused_text(std::string_view listener) {
    return "listener " + in_quotes(listener) + " has paused accepting: out of descriptors or memory; raise LimitNOFILE";
}

}  // namespace holdfast
