#pragma once

#include <cstdint>

#include "base/unique_fd.h"
#include "reactor/poller.h"

namespace holdfast {

/// One reactor's listening socket of one listener. Paused, it leaves the poller: a level-triggered listener without
/// descriptors to accept with would spin. The reactor's thread; closing it ends the listening.
class Listener {
public:
    Listener(UniqueFd socket, std::uint8_t index, Poller& poller)
        : socket_(std::move(socket)), index_(index), poller_(poller) {}

    /// 0 or the errno of epoll_ctl.
    [[nodiscard]] int resume() {
        const int error = poller_.add(socket_.get(), EPOLLIN, token_of(index_));
        paused_ = error != 0;
        return error;
    }
    void pause() {
        poller_.remove(socket_.get());
        paused_ = true;
    }
    void close() {
        socket_.reset();
        paused_ = true;
    }
    /// Closes the old socket; resume() begins with the new one.
    void replace(UniqueFd socket) {
        socket_ = std::move(socket);
        paused_ = true;
    }

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool closed() const noexcept { return !socket_.valid(); }
    [[nodiscard]] std::uint8_t index() const noexcept { return index_; }
    [[nodiscard]] bool paused() const noexcept { return paused_; }

    /// Connections that wait to be accepted inherited a plan that has changed since.
    void set_outdated_queue(bool outdated) noexcept { outdated_queue_ = outdated; }
    [[nodiscard]] bool outdated_queue() const noexcept { return outdated_queue_; }

    [[nodiscard]] static Token token_of(std::uint8_t index) noexcept { return reactor_token_bit | index; }
    [[nodiscard]] static bool is_listener(Token token) noexcept { return (token & reactor_token_bit) != 0; }
    [[nodiscard]] static std::size_t index_of(Token token) noexcept { return token & 0xff; }

private:
    UniqueFd socket_;
    std::uint8_t index_;
    Poller& poller_;
    bool paused_ = true;
    bool outdated_queue_ = false;
};

}  // namespace holdfast
