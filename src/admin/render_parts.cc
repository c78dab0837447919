#include "admin/render_parts.h"

namespace holdfast {

void write_plan_object(JsonWriter& json, const LivenessPlan& plan) {
    json.begin_object().field("idle_s", plan.idle.count()).field("interval_s", plan.interval.count());
    json.field("count", plan.count).field("user_timeout_ms", plan.user_timeout.count());
    json.field("sweep_period_ms", plan.sweep_period.count()).field("silence_limit_ms", plan.silence_limit.count());
    json.field("lost_probes_tolerated", plan.lost_probes_tolerated);
    const LivenessPlan::WorstCase& worst = plan.worst_case;
    json.key("worst_case_ms").begin_object().field("fin_or_reset", worst.fin_or_reset.count());
    json.field("idle", worst.idle.count()).field("in_flight", worst.in_flight.count());
    json.field("probing", worst.probing.count()).field("zero_window", worst.zero_window.count()).end_object();
    json.end_object();
}

void write_evidence_object(JsonWriter& json, const Evidence& evidence) {
    json.begin_object().field("probes", evidence.probes).field("retransmits", evidence.retransmits);
    json.field("last_ack_ms", evidence.last_ack.count()).field("last_heard_ms", evidence.last_heard.count());
    json.field("unacked_bytes", evidence.unacked_bytes).field("unsent_bytes", evidence.unsent_bytes);
    json.field("peer_window", evidence.peer_window).field("rtt_us", evidence.rtt.count()).end_object();
}

void write_or_null(JsonWriter& json, std::string_view text) {
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

}  // namespace holdfast
