#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/unique_fd.h"

namespace holdfast {

/// Identifies a readiness event: the caller's own 64 bits. A connection's token contains the generation of its slot, so
/// an event for a slot freed in the same turn is recognised as stale. The top bit marks the reactor's own tokens.
using Token = std::uint64_t;
inline constexpr Token reactor_token_bit = Token{1} << 63;

/// Owns one epoll instance (epoll(7)). Used by one reactor's thread. add() and modify() return an errno.
class Poller {
public:
    /// Throws std::system_error.
    Poller();

    /// Returns 0, or the errno of epoll_ctl (ENOMEM; ENOSPC: fs.epoll.max_user_watches). The kernel removes a closed
    /// descriptor by itself.
    [[nodiscard]] int add(int fd, std::uint32_t events, Token token) noexcept;
    [[nodiscard]] int modify(int fd, std::uint32_t events, Token token) noexcept;
    void remove(int fd) noexcept;

    enum class Timeout { none, endless };

    /// Returns the ready events, valid until the next wait. The result may be empty if the wait does not block, or
    /// after a signal.
    [[nodiscard]] std::span<const epoll_event> wait(Timeout timeout);
    /// Returns true if the last wait returned every ready event: no signal interrupted it, and the array was not full.
    [[nodiscard]] bool took_all() const noexcept { return took_all_; }

private:
    UniqueFd epoll_;
    std::array<epoll_event, 512> ready_{};
    bool took_all_ = false;
};

}  // namespace holdfast
