#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "tls/tls_context.h"

namespace holdfast {

/// A TCP client for tests, which sends what no HTTP library would. Reads give up after a minute.
class RawClient {
public:
    explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connect(address);
    }

    /// Encrypts. After a failed handshake, sends and reads nothing.
    RawClient(std::uint16_t port, const TlsContext& tls) : RawClient(port) {
        std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
        tls_.reset(::SSL_new(tls.get()));
        ::SSL_set_fd(tls_.get(), socket_.get());
        connected_ = connected_ && ::SSL_connect(tls_.get()) == 1;
    }

    explicit RawClient(const std::string& unix_path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
        connect(address);
    }

    [[nodiscard]] int socket() const { return socket_.get(); }

    [[nodiscard]] bool connected() const { return connected_; }

    RawClient& send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = write(bytes);
            if (sent <= 0) break;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return *this;
    }

    /// Shuts down the sending direction.
    RawClient& end() {
        tls_ ? ::SSL_shutdown(tls_.get()) : ::shutdown(socket_.get(), SHUT_WR);
        return *this;
    }

    /// Reads the bytes that are there, or the first that arrive.
    std::string read_some() {
        char buffer[4096];
        const ssize_t got = read(buffer, sizeof buffer);
        return got < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(got));
    }

    /// Reads until the server closes. Returns "timeout" if it does not.
    std::string read_all() {
        std::string all;
        char buffer[4096];
        for (;;) {
            const ssize_t got = read(buffer, sizeof buffer);
            if (got < 0 && errno == EAGAIN) return "timeout";
            if (got <= 0) return all;
            all.append(buffer, static_cast<std::size_t>(got));
        }
    }

    /// Reads until `marker` has arrived, or the server closes. Returns "timeout" otherwise.
    std::string read_until(std::string_view marker) {
        std::string all;
        char byte = 0;
        while (all.find(marker) == std::string::npos) {
            const ssize_t got = read(&byte, 1);
            if (got < 0) return "timeout";
            if (got == 0) break;
            all.push_back(byte);
        }
        return all;
    }

private:
    ssize_t write(std::string_view bytes) {
        if (!tls_) return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return connected_ ? ::SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())) : -1;
    }

    ssize_t read(char* to, std::size_t size) {
        if (!tls_) return ::recv(socket_.get(), to, size, 0);
        errno = 0;  // SSL_read sets it only if the socket failed
        return connected_ ? ::SSL_read(tls_.get(), to, static_cast<int>(size)) : 0;
    }

    template <typename Address>
    void connect(const Address& address) {
        const timeval timeout{60, 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }

    UniqueFd socket_;
    SslPtr tls_;
    bool connected_ = false;
};

/// An HTTP client for tests: each request on a connection of its own, over TCP, a unix socket or TLS.
class TestClient {
public:
    using Headers = std::multimap<std::string, std::string>;
    struct Reply {
        int status = 0;
        std::string head;
        std::string body;

        [[nodiscard]] std::string header(const std::string& name) const {
            const std::string line = "\r\n" + name + ": ";
            const std::size_t at = head.find(line);
            return at == std::string::npos
                       ? ""
                       : head.substr(at + line.size(), head.find("\r\n", at + 2) - at - line.size());
        }
    };

    explicit TestClient(std::uint16_t port, std::shared_ptr<const TlsContext> tls = nullptr)
        : port_(port), tls_(std::move(tls)) {}
    explicit TestClient(std::string unix_path) : path_(std::move(unix_path)) {}

    /// Sends a request. Returns status 0 if there was no answer.
    Reply request(const std::string& method, const std::string& target, Headers headers = {},
                  std::string_view body = {}) {
        if (!headers.contains("Host")) headers.emplace("Host", "127.0.0.1:" + std::to_string(port_));
        headers.emplace("Connection", "close");
        if (!body.empty() || method == "POST") headers.emplace("Content-Length", std::to_string(body.size()));
        std::string request = method + " " + target + " HTTP/1.1\r\n";
        for (const auto& [name, value] : headers) request.append(name).append(": ").append(value).append("\r\n");
        const std::string all = exchange(request.append("\r\n").append(body));
        const std::size_t end = all.find("\r\n\r\n");
        if (end == std::string::npos || !all.starts_with("HTTP/1.1 ")) return {};
        return {std::stoi(all.substr(9, 3)), all.substr(0, end + 2), all.substr(end + 4)};
    }
    Reply get(const std::string& target, const Headers& headers = {}) { return request("GET", target, headers); }
    Reply head(const std::string& target) { return request("HEAD", target); }
    Reply post(const std::string& target, std::string_view body = {}, const Headers& headers = {}) {
        return request("POST", target, headers, body);
    }
    Reply remove(const std::string& target, const Headers& headers = {}) { return request("DELETE", target, headers); }

private:
    [[nodiscard]] std::string exchange(std::string_view request) const {
        if (!path_.empty()) return RawClient(path_).send(request).read_all();
        return (tls_ ? RawClient(port_, *tls_) : RawClient(port_)).send(request).read_all();
    }

    std::uint16_t port_ = 0;
    std::string path_;
    std::shared_ptr<const TlsContext> tls_;
};

}  // namespace holdfast
