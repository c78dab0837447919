#include "api/render_parts.h"

#include "api/render.h"
#include "model/plan_json.h"
#include "text/units.h"

namespace holdfast {

void write_plan_object(JsonWriter& json, const LivenessPlan& plan) {
    json.begin_object();
    write_plan_fields(json, plan);
    json.end_object();
}

void write_or_null(JsonWriter& json, std::string_view text) {
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

void write_drain(JsonWriter& json, const DrainStatus& drain) {
    const DrainOrder& order = drain.order;
    json.begin_object().field("state", to_string(drain.state)).field("began_at", render_time(drain.began_at));
    json.field("over", format_duration(order.over)).field("over_ms", order.over.count()).key("peer");
    order.peer ? json.value(to_string(*order.peer)) : json.null();
    json.key("listener");
    order.listener ? json.value(*order.listener) : json.null();
    json.field("goodbye", order.goodbye).field("come_back", to_string(order.come_back));
    json.field("found", drain.found).field("ended", drain.ended).field("gone", drain.gone);
    json.field("left", drain.left()).end_object();
}

}  // namespace holdfast
