#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// What became of a downlink body.
struct DownlinkMessage {
    std::string json;   ///< the object without white space between its tokens: one line in any framing
    std::string code;   ///< empty if it is one, else the API's error code: not_json, not_object
    std::string error;  ///< what is wrong with it
};

/// Takes one JSON object, validated as a whole (UTF-8 included); numbers and strings stay as they were written. Pure.
[[nodiscard]] DownlinkMessage read_message(std::string_view body);

}  // namespace holdfast
