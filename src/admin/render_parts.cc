#include "admin/render_parts.h"

#include "base/plan_json.h"

namespace holdfast {

void write_plan_object(JsonWriter& json, const LivenessPlan& plan) {
    json.begin_object();
    write_plan_fields(json, plan);
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
