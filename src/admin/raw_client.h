#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace holdfast {

/// A TCP client for tests, which sends what no HTTP library would. Reads give up after ten seconds.
class RawClient {
public:
    explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const timeval timeout{10, 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }

    [[nodiscard]] bool connected() const { return connected_; }

    RawClient& send(std::string_view bytes) {
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return *this;
    }

    /// All that comes until the server closes, or "timeout".
    std::string read_all() {
        std::string all;
        char buffer[4096];
        for (;;) {
            const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (got < 0) return "timeout";
            if (got == 0) return all;
            all.append(buffer, static_cast<std::size_t>(got));
        }
    }

    /// What comes until `marker` has come, or the server closes, or "timeout".
    std::string read_until(std::string_view marker) {
        std::string all;
        char byte = 0;
        while (all.find(marker) == std::string::npos) {
            const ssize_t got = ::recv(socket_.get(), &byte, 1, 0);
            if (got < 0) return "timeout";
            if (got == 0) break;
            all.push_back(byte);
        }
        return all;
    }

private:
    UniqueFd socket_;
    bool connected_ = false;
};

}  // namespace holdfast
