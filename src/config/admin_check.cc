#include <sys/un.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <holdfast/endpoint.h>

#include "config/checks.h"
#include "net/address.h"
#include "text/input_file.h"
#include "text/printable.h"
#include "tls/tls_context.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

bool is_host_name(std::string_view name) {
    constexpr std::string_view characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    return !name.empty() && name.size() <= 253 && name.find_first_not_of(characters) == std::string_view::npos;
}

TlsContext::Loaded load_certificate(const AdminConfig& admin) {
    TlsConfig files;
    files.certificate = admin.tls_certificate;
    files.key = admin.tls_key;
    return TlsContext::load(files);
}

constexpr std::size_t longest_socket_path = sizeof(sockaddr_un::sun_path) - 1;

bool is_socket_path(const std::string& path) {
    return !path.empty() && path.size() <= longest_socket_path && path.find('\0') == std::string::npos;
}

std::string cannot_be_a_socket(const std::string& path) {
    return path_in_quotes(path) + " is not a valid path of a socket; write 1 to " +
           std::to_string(longest_socket_path) + " bytes";
}

class AdminCheck {
public:
    AdminCheck(const DaemonConfig& config, Violations& out) : config_(config), admin_(config.admin), out_(out) {}

    void run() {
        if (admin_.has_address()) check_address();
        if (admin_.has_socket()) check_socket();
        if (!admin_.health.empty()) check_health();
        check_tokens();
        if (!admin_.read_token_file.empty() && admin_.token_file.empty()) {
            report("read_token_file", "no token has the right to control; add token_file");
        }
        check_certificate();
        for (const std::string& name : admin_.hosts) {
            if (!is_host_name(name))
                report("hosts", in_quotes(name) + " is not a host name; write e.g. gateway.example.org");
        }
    }

private:
    void report(std::string_view option, const std::string& message) {
        out_.push_back({std::nullopt, "admin", option, std::string(option) + " in [admin]: " + message});
    }

    void check_address() {
        const auto address = parse_endpoint(admin_.address);
        if (!address) return report("address", address.error().message + ", or \"off\"");
        for (const ListenerConfig& listener : config_.server.listeners) {
            const auto endpoint = parse_endpoint(listener.address);
            if (endpoint && overlap(endpoint.value(), address.value())) {
                report("address", admin_.address + " overlaps listener " + in_quotes(listener.name) + " at " +
                                      listener.address + "; give it another address or port");
            }
        }
        const bool shut = !admin_.token_file.empty() && !admin_.tls_certificate.empty() && !admin_.tls_key.empty();
        if (is_loopback(address.value().address) || shut) return;
        report("address", admin_.address +
                              " is not loopback, and any client that reaches it could control the gateway; add "
                              "token_file, tls_certificate and tls_key, or listen on 127.0.0.1");
    }

    void check_socket() {
        if (!is_socket_path(admin_.socket)) report("socket", cannot_be_a_socket(admin_.socket) + ", or \"off\"");
    }

    void check_health() {
        if (admin_.health.starts_with("unix:")) {
            const std::string path = admin_.health.substr(5);
            if (!is_socket_path(path)) report("health", cannot_be_a_socket(path));
            if (path == admin_.socket) report("health", "socket has the same path; write another");
            return;
        }
        const auto health = parse_endpoint(admin_.health);
        if (!health) return report("health", health.error().message + ", or unix:PATH, or remove the option");
        const auto check_apart = [&](const std::string& address, const std::string& whose) {
            const auto other = parse_endpoint(address);
            if (!other || !overlap(other.value(), health.value())) return;
            report("health",
                   admin_.health + " overlaps " + whose + " at " + address + "; give it another address or port");
        };
        if (admin_.has_address()) check_apart(admin_.address, "address in [admin]");
        for (const ListenerConfig& listener : config_.server.listeners)
            check_apart(listener.address, "listener " + in_quotes(listener.name));
    }

    void check_tokens() {
        const auto write = tokens_of("token_file", admin_.token_file);
        const auto read = tokens_of("read_token_file", admin_.read_token_file);
        const auto may_write = [&write](const std::string& token) {
            return std::find(write.begin(), write.end(), token) != write.end();
        };
        if (std::any_of(read.begin(), read.end(), may_write)) {
            report("read_token_file",
                   "one of its tokens is in token_file, too, and has every right; write another token");
        }
    }

    /// Returns the tokens in the file. If it cannot be read, reports that and returns none.
    std::vector<std::string> tokens_of(std::string_view option, const std::string& file) {
        if (file.empty()) return {};
        auto tokens = read_bearer_tokens(file);
        if (tokens) return std::move(tokens).value();
        report(option, tokens.error().message);
        return {};
    }

    void check_certificate() {
        if (admin_.tls_certificate.empty() && admin_.tls_key.empty()) return;
        if (admin_.tls_certificate.empty() || admin_.tls_key.empty()) {
            const bool no_key = admin_.tls_key.empty();
            return report(no_key ? "tls_certificate" : "tls_key",
                          "tls_certificate and tls_key go together; give both or neither");
        }
        const auto loaded = load_certificate(admin_);
        const auto* fault = std::get_if<TlsFault>(&loaded);
        if (fault == nullptr) return;
        // The message begins with the option's name.
        report(fault->option, fault->message.substr(fault->option.size() + 2));
    }

    const DaemonConfig& config_;
    const AdminConfig& admin_;
    Violations& out_;
};

}  // namespace

void check_admin(const DaemonConfig& config, std::vector<Violation>& out) { AdminCheck(config, out).run(); }

void warn_of_admin(const AdminConfig& admin, std::vector<Violation>& out) {
    if (admin.tls_certificate.empty() || admin.tls_key.empty()) return;
    const auto loaded = load_certificate(admin);
    const auto* context = std::get_if<std::shared_ptr<const TlsContext>>(&loaded);
    if (context == nullptr) return;
    for (const std::string& warning : (*context)->warnings())
        out.push_back({std::nullopt, "admin", "tls_certificate", "tls_certificate in [admin]: " + warning});
}

namespace {

class ExposureCheck {
public:
    ExposureCheck(const ServerConfig& config, std::vector<Violation>& out) : limits_(config.limits), out_(out) {}

    void check(const ListenerConfig& listener, std::size_t index) {
        const auto report = [&](std::string_view option, const std::string& message) {
            out_.push_back({index, "listener", option, "listener " + in_quotes(listener.name) + ": " + message});
        };
        for (const std::string& proxy : listener.trusted_proxies) {
            const auto prefix = parse_prefix(proxy);
            if (!prefix || !is_everybody(prefix.value())) continue;
            report("trusted_proxies", in_quotes(proxy) +
                                          " trusts every peer as a proxy, and any client can claim any address; "
                                          "name the addresses of the proxies");
        }
        const auto address = parse_endpoint(listener.address);
        if (!address || is_private(address.value().address)) return;
        if (tokens_are_readable(listener)) {
            report("tokens_file",
                   "tokens cross the network in plain text; give the listener tls_certificate and tls_key");
        }
        if (unauthenticated_may_stay(listener) && !has_limit_for_one()) {
            report("address", listener.address +
                                  " is not private, and one host could use up max_connections; set "
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
    [[nodiscard]] static bool unauthenticated_may_stay(const ListenerConfig& listener) {
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
    for (std::size_t i = 0; i < config.listeners.size(); ++i) check.check(config.listeners[i], i);
}

}  // namespace holdfast
