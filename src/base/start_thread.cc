#include "base/start_thread.h"

#include <pthread.h>

#include <exception>
#include <utility>

namespace holdfast {

SignalsBlocked::SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

std::thread start_thread(const std::string& name, std::function<void()> run) {
    const SignalsBlocked blocked;  // the new thread inherits the mask
    std::thread started(std::move(run));
    pthread_setname_np(started.native_handle(), name.substr(0, 15).c_str());
    return started;
}

std::thread thread_or_here(const std::function<void()>& work) {
    try {
        return std::thread(work);
    } catch (const std::exception&) {
        work();
        return {};
    }
}

}  // namespace holdfast
