#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "http_server/http_message.h"

namespace holdfast {

/// A request before its body (RFC 9112).
struct RequestHead {
    std::string method;
    std::string target;
    std::vector<std::pair<std::string, std::string>> headers;
    std::size_t body_bytes = 0;
    bool keeps_alive = false;

    /// Returns the first header of that name, in any case; empty if there is none.
    [[nodiscard]] std::string_view value(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
};

inline constexpr std::size_t max_headers = 100;
inline constexpr std::size_t max_header_bytes = 8 * 1024 - 2;  ///< of one header
inline constexpr std::size_t max_target_bytes = 8 * 1024;

/// Parses the bytes up to and with the empty line, or returns the refusal after which the connection ends. Accepts less
/// than RFC 9112 allows, so that no proxy in front of the server can read the bytes in another way. Allows no folded
/// headers and no Transfer-Encoding, one Content-Length, and an absolute path without dot segments. Pure.
[[nodiscard]] std::variant<RequestHead, HttpResponse> read_request_head(std::string_view bytes);

}  // namespace holdfast
