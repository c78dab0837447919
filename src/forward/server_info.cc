#include "forward/server_info.h"

#include <netdb.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::size_t longest_line = 64 * 1024;

bool wait_until(int fd, short events, std::chrono::steady_clock::time_point deadline) {
    pollfd one{fd, events, 0};
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        if (left <= 0) return false;
        const int ready = ::poll(&one, 1, static_cast<int>(left));
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

UniqueFd connect_to(const addrinfo& address, std::chrono::steady_clock::time_point deadline) {
    UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fd;
    if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
    if (errno != EINPROGRESS || !wait_until(fd.get(), POLLOUT, deadline)) return UniqueFd();
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return UniqueFd();
    return fd;
}

UniqueFd connect_to(const NatsUrl& server, std::chrono::steady_clock::time_point deadline) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found) != 0) {
        return UniqueFd();
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        UniqueFd fd = connect_to(*one, deadline);
        if (fd.valid()) return fd;
    }
    return UniqueFd();
}

std::string text_of(const simdjson::dom::object& object, const char* key) {
    std::string_view text;
    return object[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

Result<NatsServerFacts> read_server_info(std::string_view line) {
    simdjson::dom::parser parser;
    simdjson::dom::object info;
    if (!line.starts_with("INFO ") || parser.parse(std::string(line.substr(5))).get(info) != simdjson::SUCCESS) {
        return Error{"what answers does not greet as a NATS server does: correct the URL"};
    }
    NatsServerFacts facts;
    facts.version = text_of(info, "version");
    facts.cluster = text_of(info, "cluster");
    bool jetstream = false;
    if (info["jetstream"].get(jetstream) == simdjson::SUCCESS) facts.jetstream = jetstream;
    return facts;
}

Result<NatsServerFacts> ask_server_info(const NatsUrl& server, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const UniqueFd fd = connect_to(server, deadline);
    if (!fd.valid()) return Error{server.shown() + " does not take a connection: start it or correct the URL"};
    std::string text;
    char buffer[4096];
    while (text.find('\n') == std::string::npos && text.size() < longest_line) {
        if (!wait_until(fd.get(), POLLIN, deadline))
            return Error{server.shown() + " does not greet: is it a NATS server?"};
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return Error{server.shown() + " has hung up before it had greeted: is it a NATS server?"};
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return read_server_info(std::string_view(text).substr(0, text.find('\n')));
}

}  // namespace holdfast
