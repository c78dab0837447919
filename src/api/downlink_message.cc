#include "api/downlink_message.h"

#include <simdjson.h>

namespace holdfast {

DownlinkMessage read_message(std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    const simdjson::padded_string padded(body);
    if (const auto error = parser.parse(padded).get(document)) {
        return {{},
                "not_json",
                std::string("the body is not JSON (") + simdjson::error_message(error) + "); send one JSON object"};
    }
    if (!document.is_object())
        return {{}, "not_object", "the body is JSON but not an object; send one like {\"cmd\":\"reboot\"}"};
    std::string json(body.size(), '\0');
    std::size_t size = 0;
    if (simdjson::minify(padded.data(), padded.size(), json.data(), size)) {
        return {{}, "not_json", "the body is not JSON; send one JSON object"};
    }
    json.resize(size);
    return {std::move(json), {}, {}};
}

}  // namespace holdfast
