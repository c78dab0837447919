#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/result.h>

namespace holdfast {

/// Descriptors that the process got from its starter: systemd (sd_listen_fds(3)) or a supervisor. An address "fd:3" or
/// "fd:NAME" stands for one of them, and never for a descriptor that the gateway has opened itself. A value.
class InheritedSockets {
public:
    /// Environment of the process, as systemd sets it. Null: not set.
    struct Environment {
        pid_t pid = 0;
        const char* listen_pid = nullptr;
        const char* listen_fds = nullptr;
        const char* listen_fdnames = nullptr;
    };

    InheritedSockets() = default;
    /// Takes these descriptors, which are open. Pure. The names count only if they are meant for this process.
    InheritedSockets(std::vector<int> open, const Environment& environment);
    /// Finds the descriptors from 3 on that are open now: to be called before the gateway opens any.
    [[nodiscard]] static InheritedSockets of_process();

    /// Returns the descriptor of such an address, or why there is none.
    [[nodiscard]] Result<int> find(std::string_view address) const;
    /// Sets the descriptor of each listener with such an address, and lets no child inherit it.
    [[nodiscard]] std::optional<Error> resolve(ServerConfig& config) const;

private:
    [[nodiscard]] Result<int> find_name(std::string_view name) const;

    std::vector<int> open_;
    std::vector<std::string> names_;  // of the descriptors from 3 on
};

}  // namespace holdfast
