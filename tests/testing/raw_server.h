#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/unique_fd.h"

namespace holdfast {

/// An HTTP server for tests that answers with arbitrary bytes, one connection after another. Owns its thread.
class RawServer {
public:
    struct Request {
        std::string head;  ///< including the final empty line
        std::string body;
        int connections = 0;  ///< accepted so far
    };
    /// Runs on the server's thread and writes with say(). Returns whether the connection takes another request.
    using Answer = std::function<bool(const Request&, int connection)>;

    /// Listens on loopback, or on a unix socket at `path`.
    explicit RawServer(Answer answer, const std::string& path = {}) : answer_(std::move(answer)) {
        path.empty() ? listen_on_loopback() : listen_at(path);
        thread_ = std::thread([this] { serve(); });
    }
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;
    ~RawServer() {
        stopping_ = true;
        ::shutdown(listener_.get(), SHUT_RDWR);
        if (const int connection = connection_; connection >= 0) ::shutdown(connection, SHUT_RDWR);
        thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Returns false if the client has closed.
    static bool say(int connection, std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// Returns a complete response.
    static std::string with_status(int status, const std::string& body = {}) {
        return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body;
    }

private:
    void listen_on_loopback() {
        listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        HOLDFAST_CHECK(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        HOLDFAST_CHECK(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        HOLDFAST_CHECK(::listen(listener_.get(), 16) == 0);
        port_ = ntohs(address.sin_port);
    }
    void listen_at(const std::string& path) {
        listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        HOLDFAST_CHECK(path.size() < sizeof address.sun_path);
        std::memcpy(address.sun_path, path.data(), path.size());
        HOLDFAST_CHECK(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        HOLDFAST_CHECK(::listen(listener_.get(), 16) == 0);
    }
    void serve() {
        for (int accepted = 1; !stopping_; ++accepted) {
            const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection.valid()) continue;
            connection_ = connection.get();
            Request request;
            while (!stopping_ && read(connection.get(), request)) {
                request.connections = accepted;
                if (!answer_(request, connection.get())) break;
            }
            connection_ = -1;
        }
    }
    /// Returns false if the client has closed.
    static bool read(int connection, Request& request) {
        request = {};
        std::string bytes;
        std::size_t end = std::string::npos;
        std::size_t length = 0;
        while (end == std::string::npos || bytes.size() < end + length) {
            std::array<char, 65'536> piece;
            const ssize_t got = ::recv(connection, piece.data(), piece.size(), 0);
            if (got <= 0) return false;
            bytes.append(piece.data(), static_cast<std::size_t>(got));
            if (end != std::string::npos || (end = bytes.find("\r\n\r\n")) == std::string::npos) continue;
            end += 4;
            const std::size_t at = bytes.find("Content-Length: ");
            if (at < end) length = std::strtoul(bytes.c_str() + at + 16, nullptr, 10);
        }
        request.head = bytes.substr(0, end);
        request.body = bytes.substr(end);
        return true;
    }

    const Answer answer_;
    UniqueFd listener_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<int> connection_{-1};
    std::thread thread_;
};

}  // namespace holdfast
