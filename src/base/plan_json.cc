#include "base/plan_json.h"

namespace holdfast {

void write_plan_fields(JsonWriter& json, const LivenessPlan& plan) {
    const LivenessPlan::WorstCase& worst = plan.worst_case;
    json.field("idle_s", plan.idle.count())
        .field("interval_s", plan.interval.count())
        .field("count", plan.count)
        .field("user_timeout_ms", plan.user_timeout.count())
        .field("sweep_period_ms", plan.sweep_period.count())
        .field("silence_limit_ms", plan.silence_limit.count())
        .field("lost_probes_tolerated", plan.lost_probes_tolerated)
        .key("worst_case_ms")
        .begin_object()
        .field("fin_or_reset", worst.fin_or_reset.count())
        .field("idle", worst.idle.count())
        .field("in_flight", worst.in_flight.count())
        .field("probing", worst.probing.count())
        .field("zero_window", worst.zero_window.count())
        .end_object();
}

}  // namespace holdfast
