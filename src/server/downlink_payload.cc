#include "server/downlink_payload.h"

#include <algorithm>

#include "codec/base64.h"
#include "codec/item.h"

namespace holdfast {
namespace {

Payload payload_of(const Server& server, ConnectionId id) {
    const ServerConfig config = server.config();
    const auto is_json = [](const ListenerConfig& listener) { return listener.payload == Payload::json; };
    if (std::all_of(config.listeners.begin(), config.listeners.end(), is_json)) return Payload::json;
    const auto detail = server.show(id);
    for (const ListenerConfig& listener : config.listeners) {
        if (detail && listener.name == detail->row.listener) return listener.payload;
    }
    return Payload::json;
}

Error without_field(Payload payload) {
    const std::string word(to_string(payload));
    return {"the listener of the connection has payload = \"" + word + "\"; send {\"" + word + "\":\"...\"}",
            ErrorCode::invalid_argument};
}

}  // namespace

Result<std::string> downlink_payload(Payload payload, std::string_view json_object) {
    if (payload == Payload::json) return std::string(json_object);
    auto text = text_field(json_object, to_string(payload));
    if (text && payload == Payload::base64) text = from_base64(*text);
    if (!text) return without_field(payload);
    return *std::move(text);
}

Result<std::string> downlink_payload(const Server& server, ConnectionId id, std::string_view json_object) {
    return downlink_payload(payload_of(server, id), json_object);
}

}  // namespace holdfast
