#include "fleet/command.h"

#include <simdjson.h>

#include "text/json_writer.h"

namespace holdfast {
namespace {

using simdjson::dom::element;

std::string text_or_empty(const element& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text)) return {};
    return std::string(text);
}

}  // namespace

std::string to_json(const CommandAnswer& answer) {
    JsonWriter json;
    json.begin_object().field("result", answer.result).field("id", answer.id);
    if (!answer.gateway.empty()) json.field("gateway", answer.gateway);
    if (!answer.conn.empty()) json.field("conn", answer.conn);
    if (!answer.detail.empty()) json.field("detail", answer.detail);
    json.end_object();
    return json.take();
}

std::optional<CommandAnswer> read_command_answer(std::string_view text) {
    simdjson::dom::parser parser;
    element json;
    if (parser.parse(text.data(), text.size()).get(json) || !json.is_object()) return std::nullopt;
    CommandAnswer answer{.result = text_or_empty(json, "result"),
                         .id = text_or_empty(json, "id"),
                         .gateway = text_or_empty(json, "gateway"),
                         .conn = text_or_empty(json, "conn"),
                         .detail = text_or_empty(json, "detail")};
    return answer.result.empty() ? std::nullopt : std::optional(std::move(answer));
}

}  // namespace holdfast
