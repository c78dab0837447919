#include "fleet/told_lines.h"

#include "base/json_writer.h"
#include "fleet/record.h"

namespace holdfast {
namespace {

void begin(JsonWriter& json, std::string_view event, const std::string& id, const PresenceRecord& record) {
    json.begin_object().field("event", event).field("conn", to_string(record.conn)).field("listener", record.listener);
    json.field("peer", to_string(record.peer)).field("id", id).field("authenticated", record.proved);
}

}  // namespace

std::string lost_line(const LostLife& life, const std::string& by, WallTime at) {
    JsonWriter json;
    begin(json, "closed", life.id, life.record);
    json.field("reason", to_string(CloseReason::gateway_lost));
    json.field("kind", to_string(kind_of(CloseReason::gateway_lost)));
    json.field("detail", "its gateway " + life.record.gateway + " is gone; " + by + " tells it");
    json.field("gateway", life.record.gateway).field("by", by).field("at", time_text(at)).end_object();
    return json.take() + "\n";
}

std::string returned_line(const std::string& id, const PresenceRecord& record, WallTime at) {
    JsonWriter json;
    begin(json, "connected", id, record);
    json.field("returned", true).field("gateway", record.gateway).field("at", time_text(at)).end_object();
    return json.take() + "\n";
}

}  // namespace holdfast
