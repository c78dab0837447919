#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// The result of parsing a downlink body.
struct DownlinkMessage {
    std::string json;   ///< object without white space between its tokens: one line in any framing
    std::string code;   ///< empty if the body is valid, else the API's error code: not_json, not_object
    std::string error;  ///< description of the error
};

/// Reads one JSON object and validates it as a whole, including UTF-8. Numbers and strings stay as they are written.
/// Pure.
[[nodiscard]] DownlinkMessage read_message(std::string_view body);

}  // namespace holdfast
