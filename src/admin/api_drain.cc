#include "admin/api.h"
#include "admin/drain_order.h"
#include "admin/query.h"
#include "base/json_writer.h"

namespace holdfast {
namespace {

ApiAnswer bad_query(const std::string& message) { return Api::error(400, "bad_query", message); }

ApiAnswer shown(const DrainStatus& drain, bool out_of_service, int status = 200) {
    JsonWriter json;
    json.begin_object().field("out_of_service", out_of_service).key("drain");
    write_drain(json, drain);
    return {.status = status, .body = json.end_object().take()};
}

ApiAnswer none() { return Api::error(404, "not_found", "nothing was drained since the gateway started"); }

}  // namespace

ApiAnswer Api::drain(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    const auto order = read_drain_order(call.body);
    if (!order) return error(400, "bad_order", order.error().message);
    const auto begun = gateway_.drain(order.value());
    if (!begun) return error(409, "refused", begun.error().message);
    return shown(begun.value(), gateway_.status().out_of_service, 202);
}

ApiAnswer Api::show_drain(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    const ServerStatus now = gateway_.status();
    return now.drain ? shown(*now.drain, now.out_of_service) : none();
}

ApiAnswer Api::cancel_drain(const Call& call) {
    if (const auto wrong = QueryReader(call.target).finish()) return bad_query(*wrong);
    const auto cancelled = gateway_.cancel_drain();
    return cancelled ? shown(*cancelled, false) : none();
}

}  // namespace holdfast
