#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// Where a gateway's admin API is, and what opens it.
struct AdminAccess {
    std::string address = "127.0.0.1:7080";  ///< also "https://HOST:PORT", "unix:/run/holdfast/admin.sock"
    std::string ca;                          ///< PEM of the authorities; empty: the system's
    std::string token_file;                  ///< whose first token is shown; empty: none
};

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

/// Whether `text` is a place to ask: "127.0.0.1:7080", "[::1]:7080", "localhost:7080", "http://..." or "https://..."
/// before such a one, or "unix:PATH". Pure.
[[nodiscard]] bool is_admin_address(std::string_view text);

/// "... is not an address and port: write e.g. 127.0.0.1:7080, ..."; for a flag's error.
[[nodiscard]] std::string not_an_admin_address(std::string_view text);

/// Asks the gateway there. Any status is an answer; an Error says why there is none. A token is never sent unencrypted
/// to another host.
[[nodiscard]] Result<AdminAnswer> ask_admin(const AdminAccess& access, const AdminQuestion& question);

}  // namespace holdfast
