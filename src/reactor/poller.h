#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/unique_fd.h"

namespace holdfast {

/// What a readiness event carries back: the caller's own 64 bits. A connection's token holds its slot's generation, so
/// an event that was in flight when the slot was freed is recognised as stale. The top bit marks the reactor's own
/// tokens.
using Token = std::uint64_t;
inline constexpr Token reactor_token_bit = Token{1} << 63;

/// One epoll instance (epoll(7)). Owned and used by one reactor's thread; add and modify say with an errno what failed.
class Poller {
public:
    /// Throws std::system_error.
    Poller();

    /// 0, or the errno of epoll_ctl (ENOMEM, ENOSPC: the user's limit of watches). A closed descriptor leaves by
    /// itself.
    [[nodiscard]] int add(int fd, std::uint32_t events, Token token) noexcept;
    [[nodiscard]] int modify(int fd, std::uint32_t events, Token token) noexcept;
    void remove(int fd) noexcept;

    enum class Patience { none, endless };

    /// What is ready, valid until the next wait; without patience it may be nothing, and after a signal, too.
    [[nodiscard]] std::span<const epoll_event> wait(Patience patience);
    /// Returns true if the latest wait returned all that was ready: no signal ended it, and the array had room left.
    [[nodiscard]] bool took_all() const noexcept { return took_all_; }

private:
    UniqueFd epoll_;
    std::array<epoll_event, 512> ready_{};
    bool took_all_ = false;
};

}  // namespace holdfast
