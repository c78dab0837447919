#include "model/plan_json.h"

namespace holdfast {

void write_plan_fields(JsonWriter& json, const LivenessPlan& plan) {
    const LivenessPlan::WorstCase& worst = plan.worst_case;
    const LivenessPlan::SafeOutage& outage = plan.safe_outage;
    json.field("idle_s", plan.idle.count())
        .field("interval_s", plan.interval.count())
        .field("count", plan.count)
        .field("user_timeout_ms", plan.user_timeout.count())
        .field("rto_max_ms", std::chrono::milliseconds(plan.rto_max).count())
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
        .end_object()
        .key("safe_outage_ms")
        .begin_object()
        .field("idle", outage.idle.count())
        .field("in_flight", outage.in_flight.count())
        .field("in_flight_uncapped", outage.in_flight_uncapped.count())
        .end_object()
        .field("safe_round_trip_ms", plan.safe_round_trip.count());
}

}  // namespace holdfast
