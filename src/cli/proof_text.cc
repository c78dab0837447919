#include "cli/proof_text.h"

#include <cstdio>
#include <optional>

#include "text/human.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
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
    if (row.connections == 0) return "not measured: this host is too busy";
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
