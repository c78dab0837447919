#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace holdfast {

/// Throws errno as the failure of `call`. For constructors that run before the reactors start: Server::start, the
/// verbs' entry and the reload turn it into an Error.
[[noreturn]] inline void throw_errno(const char* call) {
    throw std::system_error(errno, std::generic_category(), call);
}

/// Returns the message of an Error for a failed kernel call: what, why and the remedy.
[[nodiscard]] inline std::string describe(const std::system_error& failure) {
    const int code = failure.code().value();
    const char* const remedy = code == EMFILE || code == ENFILE
                                   ? "raise the limit of descriptors (LimitNOFILE=, ulimit -n)"
                               : code == EAGAIN ? "raise the limit of threads (TasksMax=, ulimit -u)"
                               : code == ENOSPC ? "raise fs.epoll.max_user_watches"
                                                : "raise the limits of this process or free memory";
    return std::string(failure.what()) + "; " + remedy;
}

}  // namespace holdfast
