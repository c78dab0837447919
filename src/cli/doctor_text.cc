#include "cli/doctor_text.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <sstream>

#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

constexpr std::size_t text_width = 100;
constexpr std::size_t indent = 10;

std::string part(const char* title, const std::string& text) {
    std::string out = "  " + std::string(title);
    out.resize(indent, ' ');
    return out + wrapped(text, text_width, indent) + "\n";
}

std::string detail_text(const Finding& finding) {
    // A command stays on one line, so that it can be copied.
    return "\n" + finding.id + ": " + std::string(to_string(finding.verdict)) + "\n" + part("found", finding.found) +
           part("why", finding.why) + "  command " + finding.command + "\n";
}

/// Returns the first part of a value, for a table that fits a terminal.
std::string shortened(const std::string& text) {
    constexpr std::size_t longest = 84;
    if (text.size() <= longest) return text;
    const std::size_t end = text.rfind(' ', longest - 4);
    return text.substr(0, end == std::string::npos ? longest - 4 : end) + " ...";
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t width, std::size_t indentation) {
    std::istringstream in(text);
    std::string out;
    std::size_t used = 0;
    for (std::string word; in >> word;) {
        if (used > 0 && used + 1 + word.size() > width) {
            out += "\n" + std::string(indentation, ' ');
            used = 0;
        }
        if (used > 0) out += ' ';
        used += (used > 0 ? 1 : 0) + word.size();
        out += word;
    }
    return out;
}

std::string findings_text(const Findings& findings) {
    Table table({{"CHECK"}, {"VERDICT"}, {"FOUND"}});
    for (const Finding& one : findings) table.add({one.id, std::string(to_string(one.verdict)), shortened(one.found)});
    std::string out = table.text(false);
    for (const Verdict verdict : {Verdict::wrong, Verdict::warning}) {
        for (const Finding& one : findings) {
            if (one.verdict == verdict) out += detail_text(one);
        }
    }
    const auto number = [&](Verdict verdict) { return std::to_string(count_of(findings, verdict)); };
    out += "\n" + number(Verdict::wrong) + " wrong, " + number(Verdict::warning) + " warnings, " + number(Verdict::ok) +
           " ok\n";
    const bool sysctl = std::any_of(findings.begin(), findings.end(), [](const Finding& one) {
        return one.verdict != Verdict::ok && one.command.find("sysctl -w") != std::string::npos;
    });
    if (sysctl)
        out +=
            "sysctl -w lasts until the next boot; permanently: the name and value in "
            "/etc/sysctl.d/90-holdfast.conf\n";
    return out;
}

namespace {

/// Returns "0.4 ms" or "3.97 s".
std::string measured(const std::optional<std::chrono::microseconds>& time) {
    if (!time) return "-";
    char text[32];
    const auto us = static_cast<double>(time->count());
    std::snprintf(text, sizeof text, us < 1e6 ? "%.1f ms" : "%.2f s", us < 1e6 ? us / 1e3 : us / 1e6);
    return text;
}

/// Returns "8 peer_closed", "7 retransmit_expired, 1 keepalive_expired" or "none closed".
std::string seen_text(const ProvedRow& row) {
    if (row.connections == 0) return "not measured: the host is too busy";
    std::string out;
    for (const auto& [reason, number] : row.seen) {
        out += (out.empty() ? "" : ", ") + human_count(number) + " " + std::string(to_string(reason));
    }
    const bool some_missing = row.row.expected && row.found < row.connections;
    if (some_missing) out += (out.empty() ? "" : ", ") + human_count(row.connections - row.found) + " never";
    return out.empty() ? "none closed" : out;
}

}  // namespace

std::string proof_text(const Proof& proof) {
    Table table({{"THE DEVICE ..."},
                 {"CONNECTIONS", Align::right},
                 {"SEEN"},
                 {"MEDIAN", Align::right},
                 {"WORST", Align::right},
                 {"PROMISED", Align::right},
                 {"VERDICT"}});
    for (const ProvedRow& row : proof.rows) {
        const std::string promised = row.row.expected ? format_duration(row.row.promised) : "none closed";
        std::string verdict = row.kept ? "kept" : "NOT KEPT";
        if (!row.kept && row.row.expected) verdict += ", expected " + std::string(to_string(*row.row.expected));
        table.add({row.row.what, human_count(row.connections), seen_text(row), measured(row.median),
                   measured(row.worst), promised, verdict});
    }
    std::string out = "detect_within " + format_duration(proof.plan.detect_within) +
                      ", measured in two network namespaces on Linux " + proof.kernel +
                      ": from the last sign of life to the closed event.\n\n" + table.text(false);
    out += proof.kept() ? "\nEvery promise was kept" : "\nNOT every promise was kept";
    return out + "; it took " + format_duration(std::chrono::round<std::chrono::milliseconds>(proof.took)) + ".\n";
}

}  // namespace holdfast
