#pragma once

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <thread>

#include <holdfast/config.h>

#include "base/system_failure.h"
#include "conn/registry.h"
#include "server/active_config.h"

namespace holdfast {

inline unsigned effective_reactors(const ServerConfig& config) {
    const unsigned wanted = config.reactors != 0 ? config.reactors : std::max(1U, std::thread::hardware_concurrency());
    return std::min(wanted, Registry::max_reactors);
}

/// Throws std::system_error.
inline std::uint32_t draw_run() {
    std::uint32_t run = 0;
    while (run == 0) {
        if (::getrandom(&run, sizeof run, 0) != sizeof run && errno != EINTR) throw_errno("getrandom");
    }
    return run;
}

/// Returns a table size that a later configuration can use: at most one connection per descriptor.
inline std::uint32_t table_capacity(const LimitsConfig& limits) {
    const std::size_t max = std::max(effective_max_connections(limits), effective_max_connections({}));
    return static_cast<std::uint32_t>(std::min<std::size_t>(max, Registry::max_connections));
}

}  // namespace holdfast
