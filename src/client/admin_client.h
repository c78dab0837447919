#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "http_client/http_client.h"

namespace holdfast {

/// Address and credentials of a gateway's admin API.
struct AdminAccess {
    std::string address = "127.0.0.1:7080";  ///< also "https://HOST:PORT", "unix:/run/holdfast/admin.sock"
    std::string ca;                          ///< PEM of the authorities; empty: the system's
    std::string token_file;                  ///< file whose first token is sent; empty: none
    bool keep = false;                       ///< keeps the connection for many requests
};

/// One request to the admin API.
struct AdminQuestion {
    std::string method = "GET";
    std::string target;  ///< percent-encoded, e.g. "/v1/closed?reason=kicked"
    std::string body = {};
    std::chrono::milliseconds timeout{10'000};  ///< of the whole request; 0: no limit
    std::chrono::milliseconds silence{0};       ///< without a byte of the answer; 0: no limit
    std::vector<std::string> headers = {};      ///< "Name: value"
    /// Takes the body of a 200 as it arrives (HttpQuestion).
    std::function<bool(std::string_view piece)> on_piece = {};
};

struct AdminAnswer {
    int status = 0;
    std::string body;
};

/// Returns true if `text` is an address of an admin API: "127.0.0.1:7080", "[::1]:7080", "localhost:7080", these after
/// "http://" or "https://", or "unix:PATH". Pure.
[[nodiscard]] bool is_admin_address(std::string_view text);

/// Returns "... is not an address and port: write e.g. 127.0.0.1:7080, ..."; for a flag's error.
[[nodiscard]] std::string not_an_admin_address(std::string_view text);

/// Returns true if that address is this host or a private address (net/address.h). Pure.
[[nodiscard]] bool is_private_admin_address(std::string_view text);

/// Sends requests to one gateway. One thread, except break_off().
class AdminClient {
public:
    /// Returns an error if the token cannot be read, or would leave this host unencrypted.
    [[nodiscard]] static Result<AdminClient> open(const AdminAccess& access);

    /// Sends one request. An answer of any status is a result; an Error gives the reason for a missing answer.
    [[nodiscard]] Result<AdminAnswer> request(const AdminQuestion& question);
    /// Cancels the request under way and all later ones. Any thread.
    void break_off() noexcept { http_->break_off(); }

private:
    AdminClient() = default;

    std::vector<std::string> headers_;
    std::unique_ptr<HttpClient> http_;
    std::function<Error(const HttpFailure&)> why_;
};

/// Sends one request with a client of its own.
[[nodiscard]] Result<AdminAnswer> call_admin(const AdminAccess& access, const AdminQuestion& question);

}  // namespace holdfast
