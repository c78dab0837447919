#include "http_server/request_gate.h"

#include <strings.h>

#include <algorithm>

#include <holdfast/endpoint.h>

#include "text/printable.h"

#include <openssl/x509v3.h>

namespace holdfast {
namespace {

bool is_for(const TlsContext& tls, std::string_view host) {
    X509* certificate = ::SSL_CTX_get0_certificate(tls.get());
    return certificate != nullptr && ::X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

/// Returns the host of "localhost:7080", "127.0.0.1" or "[::1]:7080", without the port.
std::string_view host_of(std::string_view authority) {
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return authority.substr(0, colon);
}

bool same_host(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool only_looks(const RequestHead& head) { return head.method == "GET" || head.method == "HEAD"; }

/// Returns true if the request follows a link, such as from a mail about an alarm. Such a request changes nothing, and
/// only the user sees the answer.
bool follows_link(const RequestHead& head) {
    return head.method == "GET" && head.value("Sec-Fetch-Mode") == "navigate" &&
           head.value("Sec-Fetch-Dest") == "document" && head.count("Origin") == 0;
}

/// Returns true for a request from another site: browsers name the page of a request, and such a page must not control
/// the gateway.
bool from_another_site(const RequestHead& head) {
    if (follows_link(head)) return false;
    const std::string_view site = head.value("Sec-Fetch-Site");
    if (site == "cross-site" || site == "same-site") return true;
    const std::string_view origin = head.value("Origin");
    if (origin.empty()) return false;
    const std::size_t scheme = origin.find("://");
    return scheme == std::string_view::npos || origin.substr(scheme + 3) != head.value("Host");
}

}  // namespace

std::optional<HttpResponse> RequestGate::refuse(const RequestHead& head, const DoorSecrets& secrets) const {
    const std::string_view host = host_of(head.value("Host"));
    // A foreign name is how a web page bypasses the same-origin rule (DNS rebinding).
    if (!settings_.any_host && !is_own_name(host, secrets)) {
        return http_error(403, "forbidden",
                          "this is not a name of the admin address: call it localhost or by its IP, or add " +
                              in_quotes(host) + " to hosts in [admin]");
    }
    if (from_another_site(head))
        return http_error(403, "forbidden", "requests from a page of another site are not taken");
    if (secrets.tokens && !secrets.tokens->empty()) {
        if (auto refusal = refuse_access(head, *secrets.tokens)) return refusal;
    }
    return std::nullopt;
}

std::optional<HttpResponse> RequestGate::refuse_access(const RequestHead& head, const AdminTokens& tokens) const {
    const std::string_view given = head.value("Authorization");
    const Access access = tokens.of(given);
    const bool is_public = only_looks(head) && settings_.is_public && settings_.is_public(head.path());
    if (access == Access::write || (access == Access::read && only_looks(head)) || is_public) return std::nullopt;
    if (access == Access::read) {
        return http_error(403, "read_only",
                          "this token may look and not change anything: use one of [admin] token_file");
    }
    HttpResponse refusal =
        http_error(401, "unauthorized",
                   given.empty() ? "this gateway asks for a token: send Authorization: Bearer TOKEN, "
                                   "or give the command --admin-token-file FILE"
                                 : "this is not a token of this gateway: [admin] token_file and "
                                   "read_token_file have them");
    refusal.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"holdfast\"");
    return refusal;
}

bool RequestGate::is_own_name(std::string_view host, const DoorSecrets& secrets) const {
    // HTTP/1.0 allows requests without it; no browser sends one.
    if (host.empty() || same_host(host, "localhost") || parse_ip_address(host)) return true;
    const auto same = [host](const std::string& name) { return same_host(name, host); };
    if (std::any_of(settings_.hosts.begin(), settings_.hosts.end(), same)) return true;
    return secrets.tls && is_for(*secrets.tls, host);
}

}  // namespace holdfast
