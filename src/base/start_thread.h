#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <thread>

namespace holdfast {

/// While it lives, threads that this one starts take no signals: those are the program's own business, and its main
/// thread's.
class SignalsBlocked {
public:
    SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked();

private:
    sigset_t before_;
};

/// Starts a thread that takes no signals, with that name (15 characters of it: pthread_setname_np(3)). The caller joins
/// it.
[[nodiscard]] std::thread start_thread(const std::string& name, std::function<void()> run);

}  // namespace holdfast
