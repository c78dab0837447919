#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/admin_tokens.h"
#include "admin/request_head.h"
#include "tls/tls_context.h"

namespace holdfast {

/// What a door asks of those who come, and may be read anew while it is open.
struct DoorSecrets {
    std::shared_ptr<const AdminTokens> tokens = {};  ///< null or empty: none is asked for
    std::shared_ptr<const TlsContext> tls = {};      ///< null: plain HTTP
};

/// Who is let in, by a request's head. Pure but for its settings.
class RequestGate {
public:
    struct Settings {
        std::size_t max_body_bytes = 0;
        bool any_host = false;           ///< no web page can reach this door
        std::vector<std::string> hosts;  ///< names of the door, beside localhost, IP addresses and the certificate's
    };

    explicit RequestGate(Settings settings) : settings_(std::move(settings)) {}

    /// The answer to a request that must not go further, or nothing.
    [[nodiscard]] std::optional<ApiAnswer> refuse(const RequestHead& head, const DoorSecrets& secrets) const;

private:
    [[nodiscard]] bool is_own_name(std::string_view host, const DoorSecrets& secrets) const;

    Settings settings_;
};

}  // namespace holdfast
