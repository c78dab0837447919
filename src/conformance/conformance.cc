#include "conformance/conformance.h"

#include <utility>

#include "conformance/device_examination.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

std::string_view word_of(RuleOutcome outcome) {
    switch (outcome) {
        case RuleOutcome::passed:
            return "pass";
        case RuleOutcome::failed:
            return "fail";
        case RuleOutcome::not_checked:
            break;
    }
    return "not_checked";
}

std::string padded(std::string_view text, std::size_t width) {
    std::string out(text);
    out.resize(std::max(width, out.size() + 1), ' ');
    return out;
}

}  // namespace

Result<ConformanceReport> examine_device(const ConformanceOptions& options,
                                         const std::function<void(const Endpoint&)>& listening) {
    auto link = DeviceLink::listen(options.to, FrameRules{.framing = options.framing});
    if (!link) return link.error();
    listening(link.value().address());
    ConformanceReport report;
    DeviceExamination examination(link.value(), report.findings, {.key = options.key, .token = options.token},
                                  options.timeout);
    examination.run();
    const RuleFindings& findings = report.findings;
    report.conforms = options.token.empty() ? findings.all_passed_but(Rule::hello_token) : findings.all_passed();
    return report;
}

std::string report_text(const ConformanceReport& report) {
    constexpr std::size_t outcome_width = 12;
    constexpr std::size_t name_width = 16;
    const std::string indent(outcome_width, ' ');
    std::string out;
    for (const RuleRow& row : rule_rows()) {
        const RuleFinding& finding = report.findings.of(row.rule);
        out += padded(word_of(finding.outcome), outcome_width) + padded(row.name, name_width);
        out += std::string(row.text) + " (" + std::string(row.section) + ")\n";
        if (finding.outcome != RuleOutcome::failed) continue;
        out += indent + "expected: " + finding.expected + "\n" + indent + "seen: " + finding.seen + "\n";
    }
    return out + (report.conforms ? "the device conforms\n" : "the device does not conform\n");
}

std::string report_json(const ConformanceReport& report) {
    JsonWriter json;
    json.begin_object().field("conforms", report.conforms).key("rules").begin_array();
    for (const RuleRow& row : rule_rows()) {
        const RuleFinding& finding = report.findings.of(row.rule);
        json.begin_object().field("rule", row.name).field("section", row.section).field("text", row.text);
        json.field("result", word_of(finding.outcome));
        if (finding.outcome == RuleOutcome::failed)
            json.field("expected", finding.expected).field("seen", finding.seen);
        json.end_object();
    }
    return json.end_array().end_object().take();
}

}  // namespace holdfast
