#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

/// A request that the gate has accepted.
struct HttpRequest {
    std::string_view method;
    std::string_view target;
    std::string_view body = {};
    std::string_view if_none_match = {};  ///< that header
};

struct HttpResponse {
    int status = 200;
    std::string body = {};
    std::string type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers = {};  ///< in addition to the usual ones, or in their
                                                                    ///< place
};

/// Returns {"error":{"code":...,"message":...}} with its status.
[[nodiscard]] HttpResponse http_error(int status, std::string_view code, std::string_view message);

/// Returns an answer's bytes. `last`: the connection ends after it.
[[nodiscard]] std::string to_bytes(const HttpResponse& answer, bool with_body, bool last);

}  // namespace holdfast
