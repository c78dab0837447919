#pragma once

#include <cstdint>

#include "base/unique_fd.h"
#include "reactor/poller.h"

namespace holdfast {

/// Listening socket of a listener on one reactor. Owns the socket. A paused one leaves the poller, since a
/// level-triggered socket would spin while descriptors are short. The reactor's thread; ends with close().
class Listener {
public:
    Listener(UniqueFd socket, std::uint8_t index, Poller& poller)
        : socket_(std::move(socket)), index_(index), poller_(poller) {}

    /// Adds the socket to the poller. Returns 0 or the errno of epoll_ctl.
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
    /// Closes the old socket. The new one accepts after resume().
    void replace(UniqueFd socket) {
        socket_ = std::move(socket);
        paused_ = true;
    }

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool closed() const noexcept { return !socket_.valid(); }
    [[nodiscard]] std::uint8_t index() const noexcept { return index_; }
    [[nodiscard]] bool paused() const noexcept { return paused_; }

    /// Sets whether connections in the backlog inherited an outdated plan.
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
