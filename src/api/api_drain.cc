#include "api/api.h"
#include "api/render_parts.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

DrainOrder read_drain_order(const ApiArguments& fields) {
    DrainOrder order{.over = fields.value<std::chrono::milliseconds>("over"),
                     .peer = fields.get<Prefix>("peer"),
                     .listener = fields.get<std::string>("listener"),
                     .goodbye = fields.value<bool>("goodbye")};
    // Devices of a partial drain may reconnect at once, because the gateway stays.
    const auto word = fields.get<std::string>("come_back");
    const auto when = word ? parse_come_back(*word) : std::nullopt;
    order.come_back = when.value_or(order.is_of_all() ? ComeBack::later : ComeBack::at_once);
    return order;
}

ApiAnswer shown(const DrainStatus& drain, bool out_of_service, int status = 200) {
    JsonWriter json;
    json.begin_object().field("out_of_service", out_of_service).key("drain");
    write_drain(json, drain);
    return {.status = status, .body = json.end_object().take()};
}

ApiAnswer none() { return Api::error(404, "not_found", "nothing was drained since the gateway started"); }

}  // namespace

ApiAnswer Api::drain(const ApiCall& call) {
    const auto begun = gateway_.drain(read_drain_order(call.fields));
    if (!begun) return error(409, "refused", begun.error().message);
    return shown(begun.value(), gateway_.status().out_of_service, 202);
}

ApiAnswer Api::show_drain(const ApiCall& /*call*/) {
    const ServerStatus now = gateway_.status();
    return now.drain ? shown(*now.drain, now.out_of_service) : none();
}

ApiAnswer Api::cancel_drain(const ApiCall& /*call*/) {
    const auto cancelled = gateway_.cancel_drain();
    return cancelled ? shown(*cancelled, false) : none();
}

}  // namespace holdfast
