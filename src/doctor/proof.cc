#include "doctor/proof.h"

#include <algorithm>
#include <array>
#include <utility>

#include "model/words.h"
#include "text/json_writer.h"
#include "text/units.h"

namespace holdfast {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds shortest_outage{500};  // a shorter outage cannot be ended reliably in time

double as_ms(microseconds time) { return static_cast<double>(time.count()) / 1'000.0; }

void write_ms(JsonWriter& json, std::string_view name, const std::optional<microseconds>& time) {
    json.key(name);
    if (time) {
        json.value(as_ms(*time));
    } else {
        json.null();
    }
}

void write_row(JsonWriter& json, const ProvedRow& row) {
    json.begin_object().field("id", row.row.id).field("what", row.row.what).field("connections", row.connections);
    json.field("found", row.found).key("expected");
    if (row.row.expected) {
        json.value(to_string(*row.row.expected));
    } else {
        json.null();
    }
    json.key("seen").begin_object();
    for (const auto& [reason, number] : row.seen) json.field(to_string(reason), number);
    json.end_object();
    write_ms(json, "median_ms", row.median);
    write_ms(json, "worst_ms", row.worst);
    json.field("promised_ms", row.row.promised.count()).field("kept", row.kept).end_object();
}

std::vector<std::pair<CloseReason, std::size_t>> count_reasons(const std::vector<Outcome>& outcomes) {
    std::array<std::size_t, close_reason_count> counts{};
    for (const Outcome& one : outcomes) counts[static_cast<std::size_t>(one.reason)] += one.closed_at ? 1 : 0;
    std::vector<std::pair<CloseReason, std::size_t>> out;
    for (const CloseReason reason : all_close_reasons) {
        const std::size_t number = counts[static_cast<std::size_t>(reason)];
        if (number > 0) out.emplace_back(reason, number);
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return out;
}

}  // namespace

milliseconds pause_length(const LivenessPlan& plan) {
    return std::max(read_idle_of_pause + milliseconds(500), plan.detect_within / 2);
}

milliseconds outage_length(milliseconds safe_outage) {
    return std::max(safe_outage - std::max(milliseconds(100), safe_outage / 20), milliseconds(0));
}

milliseconds safe_outage_in_flight(const LivenessPlan& plan) {
    const LivenessPlan::SafeOutage& safe = plan.safe_outage;
    return plan.rto_max > std::chrono::seconds(0) ? safe.in_flight : safe.in_flight_uncapped;
}

namespace {

/// Returns the rows of outages that are long enough to be ended in time.
std::vector<ProofRow> outage_rows(const LivenessPlan& plan) {
    std::vector<ProofRow> rows;
    const auto add = [&](Way way, std::string id, const std::string& what, milliseconds length) {
        if (length >= shortest_outage)
            rows.push_back({way, std::move(id), what + format_duration(length), std::nullopt, plan.detect_within});
    };
    add(Way::outage_idle, "outage_idle", "lives, idle, through an outage of ", outage_length(plan.safe_outage.idle));
    add(Way::outage_in_flight, "outage_in_flight", "lives, data in flight, through an outage of ",
        outage_length(safe_outage_in_flight(plan)));
    return rows;
}

}  // namespace

std::vector<ProofRow> proof_table(const LivenessPlan& plan) {
    const auto bound = plan.detect_within;
    const auto at_once = plan.worst_case.fin_or_reset;
    std::vector<ProofRow> rows{
        {Way::fin, "fin", "closes (FIN)", CloseReason::peer_closed, at_once},
        {Way::reset, "reset", "resets (RST)", CloseReason::peer_reset, at_once},
        {Way::idle, "idle", "vanishes while idle", CloseReason::keepalive_expired, bound},
        {Way::in_flight, "in_flight", "vanishes with data in flight", CloseReason::retransmit_expired, bound},
        {Way::probing, "probing", "vanishes, data written amid probing", CloseReason::retransmit_expired, bound},
        {Way::zero_window, "zero_window", "answers but reads nothing (zero window)", CloseReason::window_stalled,
         bound},
        {Way::unreachable, "unreachable", "loses its route with data in flight (ICMP)", CloseReason::unreachable,
         bound},
        {Way::quiet, "quiet", "lives and sends nothing", std::nullopt, bound},
        {Way::talking, "talking", "lives and sends data", std::nullopt, bound},
    };
    for (ProofRow& row : outage_rows(plan)) rows.push_back(std::move(row));
    rows.push_back({Way::delay, "delay", "lives with a round trip of " + format_duration(plan.safe_round_trip),
                    std::nullopt, bound});
    rows.push_back({Way::pause, "pause", "sends while the gateway pauses for " + format_duration(pause_length(plan)),
                    std::nullopt, bound});
    return rows;
}

ProvedRow classify(const ProofRow& row, const std::vector<Outcome>& outcomes) {
    ProvedRow out{
        .row = row, .connections = outcomes.size(), .seen = count_reasons(outcomes), .median = {}, .worst = {}};
    std::vector<microseconds> times;
    for (const Outcome& one : outcomes) {
        if (one.closed_at) times.push_back(std::chrono::ceil<microseconds>(*one.closed_at - one.last_sign));
    }
    std::sort(times.begin(), times.end());
    out.found = times.size();
    if (!times.empty()) {
        out.median = times[times.size() / 2];
        out.worst = times.back();
    }
    if (!row.expected) {
        out.kept = !outcomes.empty() && times.empty();
        return out;
    }
    const bool all = !outcomes.empty() && out.found == outcomes.size() && *out.worst <= row.promised;
    out.kept = all && out.seen.size() == 1 && out.seen.front().first == *row.expected;
    return out;
}

bool Proof::kept() const {
    return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](const ProvedRow& row) { return row.kept; });
}

std::string to_json(const Proof& proof) {
    JsonWriter json;
    json.begin_object().field("kept", proof.kept()).field("kernel", proof.kernel);
    json.field("detect_within_ms", proof.plan.detect_within.count()).field("took_ms", proof.took.count());
    json.key("plan").begin_object();
    write_plan_fields(json, proof.plan);
    json.end_object().key("rows").begin_array();
    for (const ProvedRow& row : proof.rows) write_row(json, row);
    return json.end_array().end_object().take();
}

}  // namespace holdfast
