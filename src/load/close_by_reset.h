#pragma once

#include <sys/socket.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Closes `fd` so that its peer gets RST rather than FIN (socket(7), SO_LINGER with a time of 0).
inline void close_by_reset(UniqueFd& fd) noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd.reset();
}

}  // namespace holdfast
