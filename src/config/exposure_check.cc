#include <string>
#include <string_view>

#include <holdfast/endpoint.h>

#include "config/checks.h"
#include "net/address_kind.h"
#include "text/printable.h"

namespace holdfast {

namespace {

class ExposureCheck {
public:
    ExposureCheck(const ServerConfig& config, std::vector<Violation>& out) : limits_(config.limits), out_(out) {}

    void look_at(const ListenerConfig& listener, std::size_t index) {
        const auto report = [&](std::string_view option, const std::string& message) {
            out_.push_back({index, "listener", option, "listener " + in_quotes(listener.name) + ": " + message});
        };
        for (const std::string& proxy : listener.trusted_proxies) {
            const auto prefix = parse_prefix(proxy);
            if (!prefix || !is_everybody(prefix.value())) continue;
            report("trusted_proxies", in_quotes(proxy) +
                                          " trusts everybody as a proxy, and whoever connects can claim any address: "
                                          "name the addresses of the proxies");
        }
        const auto address = parse_endpoint(listener.address);
        if (!address || is_private(address.value().address)) return;
        if (tokens_are_readable(listener)) {
            report("tokens_file",
                   "a token goes over the network as it is, for everybody on the way to read: give the "
                   "listener tls_certificate and tls_key");
        }
        if (strangers_may_stay(listener) && !has_limit_for_one()) {
            report("address", listener.address +
                                  " may be open to everybody, and one host could take every place: set "
                                  "max_connections_per_peer or max_connections_per_prefix in [limits]");
        }
    }

private:
    /// Returns true if the prefix is all of IPv4 or of IPv6.
    [[nodiscard]] static bool is_everybody(const Prefix& prefix) {
        return prefix.bits == 0 || (prefix.address.is_v4() && prefix.bits == 96);
    }
    /// Returns true if tokens arrive in plain text. Behind a proxy, the proxy may terminate TLS.
    [[nodiscard]] static bool tokens_are_readable(const ListenerConfig& listener) {
        return !listener.tokens_file.empty() && !listener.tls.enabled() &&
               listener.proxy_protocol == ProxyProtocol::off;
    }
    /// Returns true if unauthenticated connections may stay. Where proof is required, a connection without it ends
    /// within seconds.
    [[nodiscard]] static bool strangers_may_stay(const ListenerConfig& listener) {
        return listener.tokens_file.empty() && listener.tls.client != TlsClient::required;
    }
    [[nodiscard]] bool has_limit_for_one() const {
        return limits_.max_connections_per_peer != 0 || limits_.max_connections_per_prefix != 0;
    }

    const LimitsConfig& limits_;
    std::vector<Violation>& out_;
};

}  // namespace

void warn_of_exposure(const ServerConfig& config, std::vector<Violation>& out) {
    ExposureCheck check(config, out);
    for (std::size_t i = 0; i < config.listeners.size(); ++i) check.look_at(config.listeners[i], i);
}

}  // namespace holdfast
