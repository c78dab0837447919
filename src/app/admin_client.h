#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// One request to the admin API.
struct AdminQuestion {
    std::string method = "GET";
    std::string target;  ///< percent-encoded, e.g. "/v1/closed?reason=kicked"
    std::string body = {};
    std::chrono::milliseconds patience{10'000};  ///< for the answer
};

struct AdminAnswer {
    int status = 0;
    std::string body;
};

/// Whether `text` is an address, or a name, with a port: "127.0.0.1:7080", "[::1]:7080", "localhost:7080". Pure.
[[nodiscard]] bool is_admin_address(std::string_view text);

/// Asks the gateway whose admin address is `address`. Any status is an answer; an Error says why there is none.
[[nodiscard]] Result<AdminAnswer> ask_admin(const std::string& address, const AdminQuestion& question);

}  // namespace holdfast
