#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// A request's target (RFC 9112, 3.2.1), decoded: "/v1/closed?peer=10.2.0.0%2F16".
struct RequestTarget {
    std::vector<std::string> segments;                       ///< of the path: "v1", "closed"; none for "/"
    std::vector<std::pair<std::string, std::string>> query;  ///< in the order given; a '+' is a space
};

/// Refuses a target without '/' at its start, and a '%' without two hexadecimal digits after it. Pure.
[[nodiscard]] Result<RequestTarget> parse_request_target(std::string_view text);

/// Encodes one value: everything but unreserved characters (RFC 3986, 2.3) as %XX. Pure.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// Builds a target such as "/v1/x?a=1&b=2". Percent-encodes values and omits empty ones.
class QueryTarget {
public:
    explicit QueryTarget(std::string path) : text_(std::move(path)) {}
    QueryTarget& with(std::string_view name, std::string_view value);
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace holdfast
