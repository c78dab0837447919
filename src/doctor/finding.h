#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class Verdict : std::uint8_t {
    ok,
    warning,  ///< worth mending, or it could not be looked at
    wrong,    ///< a promise cannot be kept so
};

[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// What one check came to. A value; texts are single lines, made for people.
struct Finding {
    std::string id;  ///< a stable word, e.g. "somaxconn"
    Verdict verdict = Verdict::ok;
    std::string found = {};    ///< the value
    std::string why = {};      ///< why it matters, and what follows from the value
    std::string command = {};  ///< mends it; where all is well, looks at it
};

using Findings = std::vector<Finding>;

[[nodiscard]] std::size_t count_of(const Findings& findings, Verdict verdict) noexcept;

/// {"findings":[...],"wrong":n,"warnings":n}
[[nodiscard]] std::string to_json(const Findings& findings);

}  // namespace holdfast
