#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

#include "http/http_client.h"

namespace holdfast {

/// The address of a gateway's admin API, and the secrets that it requires.
struct AdminAccess {
    std::string address = "127.0.0.1:7080";  ///< also "https://HOST:PORT", "unix:/run/holdfast/admin.sock"
    std::string ca;                          ///< PEM of the certificate authorities; empty: those of the system
    std::string token_file;                  ///< file of tokens, of which the first is sent; empty: none
    bool keep = false;                       ///< reuse the connection for further requests
};

/// A request to the admin API.
struct AdminQuestion {
    std::string method = "GET";
    std::string target;  ///< percent-encoded, e.g. "/v1/closed?reason=kicked"
    std::string body = {};
    std::chrono::milliseconds patience{10'000};  ///< limit for the whole request
};

struct AdminAnswer {
    int status = 0;
    std::string body;
};

/// Returns true if `text` is an admin address: "127.0.0.1:7080", "[::1]:7080", "localhost:7080", such an address after
/// "http://" or "https://", or "unix:PATH". Pure.
[[nodiscard]] bool is_admin_address(std::string_view text);

/// Returns "... is not an address and port: write e.g. 127.0.0.1:7080, ...", for the error of a flag.
[[nodiscard]] std::string not_an_admin_address(std::string_view text);

/// Returns true if `text` names this host or a private address (base/address_kind.h). Pure.
[[nodiscard]] bool is_private_admin_address(std::string_view text);

/// Sends requests to the admin API of one gateway. Used by one thread, except break_off().
class AdminClient {
public:
    /// Returns an error if the token cannot be read, or would go to another host unencrypted.
    [[nodiscard]] static Result<AdminClient> open(const AdminAccess& access);

    /// Returns the answer, whatever its status, or an Error with the reason why no answer came.
    [[nodiscard]] Result<AdminAnswer> ask(const AdminQuestion& question);
    /// Cancels the current request and all later ones. Any thread.
    void break_off() noexcept { http_->break_off(); }

private:
    AdminClient() = default;

    std::vector<std::string> headers_;
    std::unique_ptr<HttpClient> http_;
    std::function<Error(const HttpFailure&)> why_;
};

/// Sends one request by a client of its own.
[[nodiscard]] Result<AdminAnswer> ask_admin(const AdminAccess& access, const AdminQuestion& question);

}  // namespace holdfast
