#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "admin/api.h"

namespace holdfast {

/// A request before its body (RFC 9112), as views into the bytes that it was read from.
struct RequestHead {
    std::string_view method;
    std::string_view target;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::size_t body_bytes = 0;

    /// The first of that name, in whatever case; empty if there is none.
    [[nodiscard]] std::string_view value(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
};

inline constexpr std::size_t max_headers = 100;
inline constexpr std::size_t max_header_bytes = 8 * 1024 - 2;  ///< of one header; as httplib has it
inline constexpr std::size_t max_target_bytes = 8 * 1024;

/// Reads everything up to and with the empty line, or says why not: then the connection cannot go on. Takes less than
/// the standard allows, so that nothing before or behind this server can read the same bytes in another way: lines end
/// with CR LF, a header has its colon right behind its name and one line, the path is an absolute one without dot
/// segments, a body has one Content-Length. Pure.
[[nodiscard]] std::variant<RequestHead, ApiAnswer> read_request_head(std::string_view bytes);

}  // namespace holdfast
