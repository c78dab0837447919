#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <thread>

namespace holdfast {

/// Blocks all signals while it lives. Threads that are started in its lifetime inherit the mask: signals belong to the
/// program's main thread.
class SignalsBlocked {
public:
    SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked();

private:
    sigset_t before_;
};

/// Starts a thread with all signals blocked and that name (its first 15 characters: pthread_setname_np(3)). The caller
/// joins it.
[[nodiscard]] std::thread start_thread(const std::string& name, std::function<void()> run);

/// Starts the work on a thread. Without memory for a thread, does the work on the calling one.
[[nodiscard]] std::thread thread_or_here(const std::function<void()>& work);

}  // namespace holdfast
