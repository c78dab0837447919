#pragma once

#include <string>
#include <string_view>

#include <holdfast/status.h>

#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

// Sentences about a fault of a running gateway: `status`, `top`, `doctor`, /healthz, /readyz and alarms print the same.
// The arguments are made printable. Pure.

[[nodiscard]] inline std::string sink_fault_text(std::string_view error) {
    return "the sink cannot write: " + printable(error);
}

[[nodiscard]] inline std::string accept_paused_text(std::string_view listener) {
    return "listener " + in_quotes(listener) + " has paused accepting: out of descriptors or memory; raise LimitNOFILE";
}

/// Returns "worker restarted, 19,000 connections kept, 140ms".
[[nodiscard]] inline std::string takeover_text(const Takeover& takeover) {
    if (takeover.kept + takeover.closed == 0 && takeover.downtime.count() == 0)
        return "worker restarted, all connections given up after too many crashes";
    std::string out = "worker restarted, " + human_count(takeover.kept) +
                      (takeover.kept == 1 ? " connection kept, " : " connections kept, ");
    if (takeover.closed > 0) out += human_count(takeover.closed) + " closed, ";
    return out + format_duration(takeover.downtime);
}

/// Returns the sentence with a capital first letter and a full stop, as the cause of an alarm is written.
[[nodiscard]] inline std::string as_cause(std::string fault) {
    if (!fault.empty() && fault.front() >= 'a' && fault.front() <= 'z') fault.front() += 'A' - 'a';
    return fault + ".";
}

}  // namespace holdfast
