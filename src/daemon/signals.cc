#include "daemon/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <initializer_list>

#include "base/system_failure.h"

namespace holdfast {

namespace {

sigset_t set_of(std::initializer_list<int> members) noexcept {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : members) sigaddset(&signals, signal);
    return signals;
}

sigset_t stop_signals() noexcept { return set_of({SIGTERM, SIGINT, SIGHUP}); }
sigset_t keeper_signals() noexcept { return set_of({keeper_signal(false), keeper_signal(true)}); }

}  // namespace

int keeper_signal(bool hangup) noexcept { return hangup ? SIGRTMIN + 1 : SIGRTMIN; }

void block_stop_signals() noexcept {
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void unblock_stop_signals() noexcept {
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void end_with(pid_t parent) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::raise(SIGKILL);
}

Signals::Signals(SignalsFrom from) : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_.valid()) throw_errno("eventfd");
    const bool of_keeper = from == SignalsFrom::keeper;
    const sigset_t wanted = of_keeper ? keeper_signals() : stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        if (of_keeper) ::signal(signal, SIG_IGN);
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // at its size limit, write(2) to a file returns an error instead
    signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_.valid()) throw_errno("signalfd");
}

std::optional<Signals::Event> Signals::wait(std::chrono::milliseconds timeout) {
    std::array<pollfd, 2> sources{{{signals_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (::poll(sources.data(), sources.size(), static_cast<int>(timeout.count())) <= 0) return std::nullopt;
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
        const auto number = static_cast<int>(signal.ssi_signo);
        return number == SIGHUP || number == keeper_signal(true) ? Event::hangup : Event::terminate;
    }
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) == sizeof count) return Event::woken;
    return std::nullopt;
}

bool Signals::take_stop(std::chrono::milliseconds time, SignalsFrom from) {
    const sigset_t wanted = from == SignalsFrom::keeper ? set_of({keeper_signal(false)}) : set_of({SIGTERM, SIGINT});
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::nanoseconds(time - seconds);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = rest.count()};
    return ::sigtimedwait(&wanted, nullptr, &timeout) > 0;
}

void Signals::wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(wake_.get(), &one, sizeof one);  // EAGAIN: already awake
}

}  // namespace holdfast
