#include "app/admin_client.h"

#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/printable.h"
#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds connect_patience{3};

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};

std::optional<HostPort> split(std::string_view address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = address.substr(0, colon);
    const std::string_view port = address.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    HostPort read{std::string(host), 0};
    const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), read.port);
    if (host.empty() || port.empty() || error != std::errc{} || rest != port.data() + port.size()) return std::nullopt;
    return read;
}

/// Tries one address and says what the kernel did; empty if it took the connection.
std::string try_connect(const addrinfo& address) {
    const UniqueFd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{connect_patience.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return {};
    return errno == EINPROGRESS ? std::strerror(ETIMEDOUT) : std::strerror(errno);
}

/// httplib does not tell the cause, so it is asked for once more.
std::string why_no_connection(const HostPort& to) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
    if (error != 0) return ::gai_strerror(error);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    const std::string cause = try_connect(*found);
    return cause.empty() ? "the connection failed" : cause;
}

std::string why_no_answer(httplib::Error error, const HostPort& to) {
    switch (error) {
        case httplib::Error::Connection:
            return why_no_connection(to);
        case httplib::Error::ConnectionTimeout:
            return std::strerror(ETIMEDOUT);
        case httplib::Error::Read:
            return "it took the connection but gave no HTTP answer";
        default:
            return "the exchange broke off (" + httplib::to_string(error) + ")";
    }
}

Error unreachable(const std::string& address, const std::string& why) {
    return Error{"no gateway answers at " + printable(address) + ": " + why +
                 "; start one with `holdfast serve` or name its admin address with --admin"};
}

}  // namespace

bool is_admin_address(std::string_view text) { return split(text).has_value(); }

Result<AdminAnswer> ask_admin(const std::string& address, const AdminQuestion& question) {
    const auto to = split(address);
    if (!to) return unreachable(address, "that is not an address and port");
    httplib::Client client(to->host, to->port);
    client.set_connection_timeout(connect_patience);
    client.set_read_timeout(question.patience);
    client.set_url_encode(false);
    httplib::Request request;
    request.method = question.method;
    request.path = question.target;
    request.body = question.body;
    // A name is only a way to the address here: the gateway takes none but its own.
    request.set_header("Host", "localhost");
    const auto answer = client.send(request);
    if (!answer) return unreachable(address, why_no_answer(answer.error(), *to));
    return AdminAnswer{answer->status, answer->body};
}

}  // namespace holdfast
