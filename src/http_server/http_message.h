#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "http_server/admin_tokens.h"
#include "tls/tls_context.h"

namespace holdfast {

/// A request that the gate has accepted.
struct HttpRequest {
    std::string_view method;
    std::string_view target;
    std::string_view body = {};
    std::string_view if_none_match = {};  ///< that header
    std::string_view last_event_id = {};  ///< that header
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

/// Tokens and certificate of a server; a reload replaces both.
struct DoorSecrets {
    std::shared_ptr<const AdminTokens> tokens = {};  ///< null or empty: requests need no token
    std::shared_ptr<const TlsContext> tls = {};      ///< null: plain HTTP
};

/// Authorizes requests by their head. Pure except for its settings.
class RequestGate {
public:
    struct Settings {
        bool any_host = false;                ///< no web page can reach the server
        std::vector<std::string> hosts = {};  ///< names besides localhost, IP addresses and the certificate's
        /// Returns whether a GET or HEAD of this path needs no token.
        std::function<bool(std::string_view path)> is_public = {};
    };

    explicit RequestGate(Settings settings) : settings_(std::move(settings)) {}

    /// Returns the answer to a request that must be refused, or nullopt.
    [[nodiscard]] std::optional<HttpResponse> refuse(const RequestHead& head, const DoorSecrets& secrets) const;

private:
    [[nodiscard]] std::optional<HttpResponse> refuse_access(const RequestHead& head, const AdminTokens& tokens) const;
    [[nodiscard]] bool is_own_name(std::string_view host, const DoorSecrets& secrets) const;

    Settings settings_;
};

}  // namespace holdfast
