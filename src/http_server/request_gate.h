#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_server/admin_tokens.h"
#include "http_server/request_head.h"
#include "tls/tls_context.h"

namespace holdfast {

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
