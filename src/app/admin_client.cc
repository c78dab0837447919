#include "app/admin_client.h"

#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include <holdfast/endpoint.h>

#include "base/printable.h"
#include "base/secret_file.h"
#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds connect_patience{3};

enum class Carrier { plain, tls, unix_socket };

struct Place {
    Carrier carrier = Carrier::plain;
    std::string host;  ///< or the socket's path
    std::uint16_t port = 0;
};

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::optional<Place> parse_place(std::string_view text) {
    if (take_prefix(text, "unix:")) {
        const bool fits = !text.empty() && text.size() < sizeof(sockaddr_un::sun_path);
        return fits ? std::optional(Place{Carrier::unix_socket, std::string(text), 80}) : std::nullopt;
    }
    Place place;
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
    if (host.empty() || port.empty() || error != std::errc{} || rest != port.data() + port.size()) return std::nullopt;
    return place;
}

bool stays_on_this_host(const Place& place) {
    if (place.carrier == Carrier::unix_socket || place.host == "localhost" || place.host == "::1") return true;
    const auto address = parse_ip_address(place.host);
    return address && address.value().is_v4() && address.value().bytes[12] == 127;
}

/// Tries one address and says what the kernel did; empty if it took the connection.
std::string try_connect(const addrinfo& address) {
    const UniqueFd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{connect_patience.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return {};
    return errno == EINPROGRESS ? std::strerror(ETIMEDOUT) : std::strerror(errno);
}

std::string try_socket(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    addrinfo address{};
    address.ai_family = AF_UNIX;
    address.ai_addr = reinterpret_cast<sockaddr*>(&name);
    address.ai_addrlen = sizeof name;
    return try_connect(address);
}

/// httplib does not tell the cause, so it is asked for once more.
std::string why_no_connection(const Place& to) {
    std::string cause;
    if (to.carrier == Carrier::unix_socket) {
        cause = try_socket(to.host);
    } else {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        const int error = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
        if (error != 0) return ::gai_strerror(error);
        const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
        cause = try_connect(*found);
    }
    return cause.empty() ? "the connection failed" : cause;
}

std::string why_no_answer(httplib::Error error, const Place& to) {
    switch (error) {
        case httplib::Error::Connection:
            return why_no_connection(to);
        case httplib::Error::ConnectionTimeout:
            return std::strerror(ETIMEDOUT);
        case httplib::Error::Read:
            return to.carrier == Carrier::plain ? "it took the connection but gave no HTTP answer: if it speaks TLS, "
                                                  "write https:// before the address"
                                                : "it took the connection but gave no HTTP answer";
        case httplib::Error::SSLConnection:
            return "it did not complete a TLS handshake";
        case httplib::Error::SSLServerVerification:
            return "its certificate is not one for " + printable(to.host) +
                   " from an authority that is known here: name that authority's file with --admin-ca";
        case httplib::Error::SSLLoadingCerts:
            return "the file of --admin-ca cannot be read as PEM certificates";
        default:
            return "the exchange broke off (" + httplib::to_string(error) + ")";
    }
}

Error unreachable(const std::string& address, const std::string& why) {
    return Error{"no gateway answers at " + printable(address) + ": " + why +
                 "; start one with `holdfast serve` or name its admin address with --admin"};
}

std::unique_ptr<httplib::ClientImpl> client_for(const Place& place, const AdminAccess& access) {
    if (place.carrier == Carrier::tls) {
        auto client = std::make_unique<httplib::SSLClient>(place.host, place.port);
        if (!access.ca.empty()) client->set_ca_cert_path(access.ca);
        client->enable_server_certificate_verification(true);
        return client;
    }
    auto client = std::make_unique<httplib::ClientImpl>(place.host, place.port);
    if (place.carrier == Carrier::unix_socket) client->set_address_family(AF_UNIX);
    return client;
}

/// Empty: there is none to show.
Result<std::string> token_for(const Place& place, const AdminAccess& access) {
    if (access.token_file.empty()) return std::string();
    if (place.carrier != Carrier::tls && !stays_on_this_host(place)) {
        return Error{"the token is not sent to " + printable(access.address) +
                     " where anybody on the way could read it: write https:// before the address"};
    }
    auto tokens = read_bearer_tokens(access.token_file);
    if (!tokens) return tokens.error();
    return std::move(tokens.value().front());
}

}  // namespace

bool is_admin_address(std::string_view text) { return parse_place(text).has_value(); }

std::string not_an_admin_address(std::string_view text) {
    return in_quotes(text) +
           " is not an address and port: write e.g. 127.0.0.1:7080, https://gateway.example:7080 or unix:PATH";
}

Result<AdminAnswer> ask_admin(const AdminAccess& access, const AdminQuestion& question) {
    const auto place = parse_place(access.address);
    if (!place) return unreachable(access.address, "that is not an address and port");
    const auto token = token_for(*place, access);
    if (!token) return token.error();
    const auto client = client_for(*place, access);
    client->set_connection_timeout(connect_patience);
    client->set_read_timeout(question.patience);
    client->set_url_encode(false);
    httplib::Request request;
    request.method = question.method;
    request.path = question.target;
    request.body = question.body;
    // A name is only a way to the address here: the gateway takes none but its own.
    request.set_header("Host", "localhost");
    if (!token.value().empty()) request.set_header("Authorization", "Bearer " + token.value());
    const auto answer = client->send(request);
    if (!answer) return unreachable(access.address, why_no_answer(answer.error(), *place));
    return AdminAnswer{answer->status, answer->body};
}

}  // namespace holdfast
