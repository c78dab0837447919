#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Address of the admin API: an address and port, or a unix socket that only this user can connect to. Owns the
/// descriptor. The destructor closes it and removes the socket's file, if that is still its own.
class HttpListener {
public:
    static constexpr std::string_view unix_scheme = "unix:";
    /// Option that names the place, for messages.
    enum class Use : std::uint8_t { api, health };

    /// Listens on `place`: "127.0.0.1:7080" (port 0: the kernel chooses) or "unix:/run/holdfast/admin.sock". Replaces a
    /// socket without a listening process. A socket in use, or a file of another kind, is an error.
    [[nodiscard]] static Result<HttpListener> open(std::string_view place, Use use = Use::api);

    HttpListener(HttpListener&& other) noexcept;
    HttpListener& operator=(HttpListener&&) = delete;
    ~HttpListener() { close(); }

    void close();
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
    [[nodiscard]] bool is_unix() const noexcept { return !path_.empty(); }
    /// Returns the address with the port that the kernel chose; all zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept { return address_; }

private:
    HttpListener(UniqueFd socket, const Endpoint& address) : socket_(std::move(socket)), address_(address) {}
    HttpListener(UniqueFd socket, std::string path, dev_t device, ino_t inode)
        : socket_(std::move(socket)), path_(std::move(path)), device_(device), inode_(inode) {}

    [[nodiscard]] static Result<HttpListener> open_place(std::string_view place);
    [[nodiscard]] static Result<HttpListener> open_unix(const std::string& path);

    UniqueFd socket_;
    Endpoint address_;
    std::string path_;  // of a unix socket; empty otherwise
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace holdfast
