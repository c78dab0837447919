#include "doctor/finding.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"

namespace holdfast {

std::string_view to_string(Verdict verdict) noexcept {
    constexpr std::array<std::string_view, 3> words{"ok", "warning", "wrong"};
    return words[static_cast<std::size_t>(verdict)];
}

std::size_t count_of(const Findings& findings, Verdict verdict) noexcept {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(), [&](const Finding& one) { return one.verdict == verdict; }));
}

std::string to_json(const Findings& findings) {
    JsonWriter json;
    json.begin_object().key("findings").begin_array();
    for (const Finding& one : findings) {
        json.begin_object().field("id", one.id).field("verdict", to_string(one.verdict));
        json.field("found", one.found).field("why", one.why).field("command", one.command).end_object();
    }
    json.end_array();
    json.field("wrong", count_of(findings, Verdict::wrong)).field("warnings", count_of(findings, Verdict::warning));
    return json.end_object().take();
}

}  // namespace holdfast
