#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/facts.h"

namespace holdfast {

enum class Verdict : std::uint8_t {
    ok,
    warning,  ///< worth fixing, or could not be checked
    wrong,    ///< breaks a promise
};

[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// Result of one check. A value; the texts are single lines for people.
struct Finding {
    std::string id;  ///< a stable word, e.g. "somaxconn"
    Verdict verdict = Verdict::ok;
    std::string found = {};    ///< the value
    std::string why = {};      ///< why it matters, and what follows from the value
    std::string command = {};  ///< fixes it, or shows it if all is well
};

using Findings = std::vector<Finding>;

[[nodiscard]] std::size_t count_of(const Findings& findings, Verdict verdict) noexcept;

/// Returns {"findings":[...],"wrong":n,"warnings":n}.
[[nodiscard]] std::string to_json(const Findings& findings);

/// Checks a host, and a running gateway on it, against the expected load. Every check returns its findings, good or
/// bad, in a fixed order. Pure.
[[nodiscard]] Findings diagnose(const HostFacts& host, const Demand& demand, const GatewayFacts* gateway);

}  // namespace holdfast
