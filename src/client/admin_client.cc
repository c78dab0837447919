#include "client/admin_client.h"

#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <holdfast/endpoint.h>

#include "net/address.h"
#include "text/input_file.h"
#include "text/printable.h"

namespace holdfast {
namespace {

enum class Carrier { plain, tls, unix_socket };

struct GatewayPlace {
    Carrier carrier = Carrier::plain;
    std::string host;  ///< host name or address; for a unix socket, its path
    std::uint16_t port = 0;
};

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// Returns true for a host name or an address. An IPv6 address may have a zone.
bool is_host(std::string_view text) {
    constexpr std::string_view others = ".:-_%";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
        return std::isalnum(c) != 0 || others.find(static_cast<char>(c)) != std::string_view::npos;
    });
}

std::optional<GatewayPlace> parse_place(std::string_view text) {
    if (take_prefix(text, "unix:")) {
        const bool fits = !text.empty() && text.size() < sizeof(sockaddr_un::sun_path);
        return fits ? std::optional(GatewayPlace{Carrier::unix_socket, std::string(text), 80}) : std::nullopt;
    }
    GatewayPlace place;
    if (take_prefix(text, "https://")) place.carrier = Carrier::tls;
    if (place.carrier == Carrier::plain) take_prefix(text, "http://");
    if (text.ends_with('/')) text.remove_suffix(1);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    place.host = host;
    const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
    if (!is_host(host) || port.empty() || error != std::errc{} || rest != port.data() + port.size())
        return std::nullopt;
    return place;
}

bool stays_on_this_host(const GatewayPlace& place) {
    if (place.carrier == Carrier::unix_socket || place.host == "localhost") return true;
    const auto address = parse_ip_address(place.host);
    return address && is_loopback(address.value());
}

std::string why_no_answer(const HttpFailure& failure, const GatewayPlace& to) {
    using Kind = HttpFailure::Kind;
    switch (failure.kind) {
        case Kind::no_http:
            return to.carrier == Carrier::plain
                       ? "the server accepted the connection and sent no HTTP response (" + failure.cause +
                             "); for TLS, write https:// before the address"
                       : "the server accepted the connection and sent no HTTP response (" + failure.cause + ")";
        case Kind::bad_certificate:
            return "the certificate is not valid for " + printable(to.host) +
                   " or is not from a known authority; name the file of the authority with --admin-ca";
        case Kind::bad_ca_file:
            return failure.cause + "; name such a file with --admin-ca";
        case Kind::no_tls:
            return failure.cause + "; for an address without TLS, write http:// before it";
        case Kind::no_connection:
        case Kind::too_slow:
        case Kind::broken_off:
            break;
    }
    return failure.cause;
}

Error unreachable(const std::string& address, const std::string& why) {
    return Error{"no gateway answers at " + printable(address) + ": " + why +
                 "; start one with `holdfast serve` or name its admin address with --admin"};
}

HttpPeer peer_of(const GatewayPlace& place, const AdminAccess& access) {
    HttpPeer peer;
    peer.tls = place.carrier == Carrier::tls;
    (place.carrier == Carrier::unix_socket ? peer.socket : peer.host) = place.host;
    peer.port = place.port;
    peer.ca = access.ca;
    peer.keep = access.keep;
    return peer;
}

/// Returns the first token of the file, or an empty text if no file is configured. Returns an error if the token would
/// leave this host unencrypted.
Result<std::string> token_for(const GatewayPlace& place, const AdminAccess& access) {
    if (access.token_file.empty()) return std::string();
    if (place.carrier != Carrier::tls && !stays_on_this_host(place)) {
        return Error{"refused to send the token to " + printable(access.address) +
                     " in plain text; write https:// before the address"};
    }
    auto tokens = read_bearer_tokens(access.token_file);
    if (!tokens) return tokens.error();
    return std::move(tokens.value().front());
}

}  // namespace

bool is_admin_address(std::string_view text) { return parse_place(text).has_value(); }

std::string not_an_admin_address(std::string_view text) {
    return in_quotes(text) +
           " is not an address with a port; write e.g. 127.0.0.1:7080, https://gateway.example:7080 or unix:PATH";
}

bool is_private_admin_address(std::string_view text) {
    const auto place = parse_place(text);
    if (!place) return false;
    if (stays_on_this_host(*place)) return true;
    const auto address = parse_ip_address(place->host);
    return address && is_private(address.value());
}

Result<AdminClient> AdminClient::open(const AdminAccess& access) {
    const auto place = parse_place(access.address);
    if (!place) return Error{not_an_admin_address(access.address)};
    if (const auto why = access.ca.empty() ? std::nullopt : why_not_readable(access.ca)) {
        return Error{"the authorities " + path_in_quotes(access.ca) + " of the admin API cannot be used: the file " +
                     *why + "; name another with --admin-ca"};
    }
    auto token = token_for(*place, access);
    if (!token) return token.error();
    AdminClient client;
    // The gateway rejects host names other than its own and `localhost`. The name in the address only selects the
    // route.
    client.headers_ = {"Host: localhost"};
    if (!token.value().empty()) client.headers_.push_back("Authorization: Bearer " + token.value());
    client.http_ = std::make_unique<HttpClient>(peer_of(*place, access));
    client.why_ = [place = *place, address = access.address](const HttpFailure& failure) {
        return unreachable(address, why_no_answer(failure, place));
    };
    return client;
}

Result<AdminAnswer> AdminClient::request(const AdminQuestion& question) {
    std::vector<std::string> headers = headers_;
    headers.insert(headers.end(), question.headers.begin(), question.headers.end());
    const auto said = http_->request({.method = question.method,
                                      .target = question.target,
                                      .headers = std::move(headers),
                                      .body = question.body,
                                      .timeout = question.timeout,
                                      .silence = question.silence,
                                      .on_piece = question.on_piece});
    if (const auto* failure = std::get_if<HttpFailure>(&said)) return why_(*failure);
    const auto& answer = std::get<HttpAnswer>(said);
    if (!answer.whole && !question.on_piece)
        return why_({HttpFailure::Kind::too_slow, "the response did not end, or is too long"});
    return AdminAnswer{answer.status, answer.body};
}

Result<AdminAnswer> call_admin(const AdminAccess& access, const AdminQuestion& question) {
    auto client = AdminClient::open(access);
    if (!client) return client.error();
    return client.value().request(question);
}

}  // namespace holdfast
