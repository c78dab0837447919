#include "admin/drain_order.h"

#include <simdjson.h>

#include <optional>

#include "admin/render.h"
#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

using simdjson::dom::element;

Error wrong(std::string_view name, std::string_view rule) {
    return Error{std::string(name) + " is not " + std::string(rule)};
}

std::optional<Error> read_peer(element value, DrainOrder& order) {
    std::string_view text;
    if (value.get(text)) return wrong("peer", "a text: write e.g. \"10.2.0.0/16\"");
    const auto prefix = parse_prefix(text);
    if (!prefix) return wrong("peer", "a prefix: " + prefix.error().message);
    order.peer = prefix.value();
    return std::nullopt;
}

std::optional<Error> read_over(element value, DrainOrder& order) {
    std::string_view text;
    const auto time = value.get(text) ? Result<std::chrono::milliseconds>(Error{}) : parse_duration(text);
    if (!time) return wrong("over", "a time to drain over: write e.g. \"2m\"");
    order.over = time.value();
    return std::nullopt;
}

std::optional<Error> read_field(std::string_view name, element value, DrainOrder& order) {
    std::string_view text;
    if (name == "over") return read_over(value, order);
    if (name == "peer") return read_peer(value, order);
    if (name == "listener") {
        if (value.get(text)) return wrong("listener", "a text: write a listener's name");
        order.listener = text;
        return std::nullopt;
    }
    if (name == "goodbye") {
        return value.get(order.goodbye) ? std::optional(wrong("goodbye", "true or false")) : std::nullopt;
    }
    if (name == "come_back") {
        const auto when = value.get(text) ? std::nullopt : parse_come_back(text);
        if (!when) return wrong("come_back", "a word for when: write \"later\" or \"at_once\"");
        order.come_back = *when;
        return std::nullopt;
    }
    return Error{"there is no key " + in_quotes(name) + " here; allowed are over, peer, listener, goodbye, come_back"};
}

}  // namespace

Result<DrainOrder> read_drain_order(std::string_view body) {
    DrainOrder order;
    if (body.empty()) return order;
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(body.data(), body.size()).get_object().get(object)) {
        return Error{"the body is not a JSON object: send one like {\"over\":\"2m\"}, or none"};
    }
    bool says_when = false;
    for (const auto& [name, value] : object) {
        if (auto error = read_field(name, value, order)) return *error;
        says_when = says_when || name == "come_back";
    }
    // Who is a part of the gateway's devices is welcome back at once: the gateway stays.
    if (!says_when && !order.is_of_all()) order.come_back = ComeBack::at_once;
    return order;
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
