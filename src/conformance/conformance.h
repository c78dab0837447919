#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "conformance/rules.h"

namespace holdfast {

struct ConformanceOptions {
    Endpoint to;
    Framing framing = Framing::ndjson;
    std::string key = "ip";  ///< empty: items need no key field
    std::string token = {};  ///< that the device must send; empty: any
    std::chrono::milliseconds timeout = std::chrono::seconds(10);
};

struct ConformanceReport {
    RuleFindings findings;
    bool conforms = false;  ///< each rule has passed, or is not asked for
};

/// Listens in the gateway's place and plays it for the device that connects. Calls `listening` once the device can
/// connect. Waits for the device, a minute or so. Errors: the address cannot be used.
[[nodiscard]] Result<ConformanceReport> examine_device(const ConformanceOptions& options,
                                                       const std::function<void(const Endpoint&)>& listening);

/// Returns a line per rule, and what was expected and seen if it failed. Pure.
[[nodiscard]] std::string report_text(const ConformanceReport& report);
/// Returns the same as JSON. Pure.
[[nodiscard]] std::string report_json(const ConformanceReport& report);

}  // namespace holdfast
