#include "keeper/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/keeper_page.h"
#include "base/unique_fd.h"
#include "daemon/exit.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "daemon/signals.h"
#include "keeper/notify_relay.h"
#include "keeper/restart_policy.h"
#include "text/units.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds usual_watchdog{30};
constexpr int numbers_before = 1'024;  // descriptors that the keeper may have inherited

Error cannot_start(const char* what, const char* process = "the keeper") {
    return Error{std::string("cannot start ") + process + ": " + what + ": " + std::strerror(errno) +
                     "; raise the limits of the process, or set keeper = false in [process]",
                 ErrorCode::system};
}

std::string signal_name(int number) {
    const char* const name = ::sigabbrev_np(number);
    return name != nullptr ? "SIG" + std::string(name) : std::to_string(number);
}

/// Blocks the keeper's signals, and those for a worker that has not begun to wait for them.
sigset_t block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
    sigset_t all = signals;
    sigaddset(&all, keeper_signal(false));
    sigaddset(&all, keeper_signal(true));
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    return signals;
}

/// Ignores what would end the keeper behind a lost reader or at a size limit. An ignored SIGCHLD, which a program
/// inherits, would hide the end of a worker.
void set_dispositions() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
    ::signal(SIGCHLD, SIG_DFL);
}

std::vector<int> open_descriptors() {
    std::vector<int> all;
    for (int fd = 0; fd < numbers_before; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) all.push_back(fd);
    }
    return all;
}

class Keeper {
public:
    Keeper(const KeeperOrder& order, const std::function<int(WorkerSeat&)>& work)
        : work_(work), log_(order.log), policy_(order.max_crashes) {}

    [[nodiscard]] std::optional<Error> open();
    int run();

private:
    [[nodiscard]] bool start_worker();
    void note_no_worker();
    [[noreturn]] void be_worker();
    void serve_until(std::optional<SteadyTime> deadline);
    void wait(milliseconds timeout);
    void take_signals();
    void reap();
    void pass_on(bool hangup);
    void check_worker(bool was_absent);
    void ping_manager();
    void note_end(int status);
    void log_end(const WorkerEnd& end, const KeeperStep& step);
    void start_over();
    void write_page();

    const std::function<int(WorkerSeat&)>& work_;
    Log log_;
    const SystemClock clock_;
    RestartPolicy policy_;
    std::optional<NotifyRelay> relay_;
    std::optional<std::chrono::microseconds> manager_watchdog_;
    std::chrono::microseconds watchdog_ = usual_watchdog;
    SteadyTime pinged_;
    UniqueFd signals_;
    UniqueFd state_;
    std::vector<int> others_;
    KeeperPage page_;
    pid_t keeper_ = 0;
    pid_t worker_ = 0;  // 0: none runs
    bool stop_requested_ = false;
    std::optional<SteadyTime> aborted_at_;  // the worker did not turn
    WorkerEnd end_;
};

std::optional<Error> Keeper::open() {
    keeper_ = ::getpid();
    set_dispositions();
    const sigset_t wanted = block_signals();
    signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_.valid()) return cannot_start("signalfd");
    state_ = UniqueFd(::memfd_create("holdfast-connections", MFD_CLOEXEC));
    if (!state_.valid()) return cannot_start("memfd_create");
    manager_watchdog_ = watchdog_timeout(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID"));
    watchdog_ = manager_watchdog_.value_or(usual_watchdog);
    const char* const socket = std::getenv("NOTIFY_SOCKET");
    auto manager = Notifier::to(socket != nullptr ? socket : "");
    if (!manager) log_.warn(manager.error().message);
    auto relay = NotifyRelay::open(manager ? std::move(manager).value() : Notifier());
    if (!relay) return relay.error();
    relay_.emplace(std::move(relay).value());
    others_ = open_descriptors();
    return std::nullopt;
}

int Keeper::run() {
    for (;;) {
        if (!start_worker()) note_no_worker();
        while (worker_ != 0) serve_until(std::nullopt);
        const KeeperStep step = policy_.after(end_, clock_.steady());
        log_end(end_, step);
        if (step.action == KeeperStep::Action::exit) return step.code;
        if (step.action == KeeperStep::Action::start_over) start_over();
        serve_until(clock_.steady() + step.pause);
        if (stop_requested_) return exit_answer_is_no;
    }
}

/// Starts a worker with memory of its own and the keeper's table of descriptors (clone(2), CLONE_FILES).
bool Keeper::start_worker() {
    relay_->begin();
    aborted_at_.reset();
    const auto child = static_cast<pid_t>(::syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) be_worker();
    worker_ = std::max(child, 0);
    return child > 0;
}

/// Makes a failure of clone(2) a start that failed. The connections wait for the next one.
void Keeper::note_no_worker() {
    log_.error(cannot_start("clone", "a worker").message);
    end_ = {.by_signal = false, .code = exit_wrong_usage, .has_served = false, .stop_requested = stop_requested_};
}

/// Ends without the keeper's destructors: they would close descriptors that both share.
void Keeper::be_worker() {
    WorkerSeat seat{.state = state_.get(),
                    .notifications = relay_->of_worker(),
                    .keeper = keeper_,
                    .others = others_,
                    .follows_crash = false,
                    .discarded = {}};
    ::unsetenv("NOTIFY_SOCKET");
    ::setenv("WATCHDOG_USEC", std::to_string(watchdog_.count()).c_str(), 1);
    ::unsetenv("WATCHDOG_PID");
    const char* const of_keeper = std::getenv("LISTEN_PID");  // sd_listen_fds(3)
    if (of_keeper != nullptr && of_keeper == std::to_string(keeper_))
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    take_seat(seat);
    std::exit(work_(seat));
}

/// Serves until the deadline, or a worker's end.
void Keeper::serve_until(std::optional<SteadyTime> deadline) {
    const auto step =
        std::chrono::floor<milliseconds>(std::min<std::chrono::microseconds>(watchdog_ / 4, std::chrono::seconds(5)));
    const bool had_worker = worker_ != 0;
    do {
        SteadyTime due = clock_.steady() + std::max(step, milliseconds(1));
        if (deadline) due = std::min(due, *deadline);
        wait(std::chrono::ceil<milliseconds>(std::max(due - clock_.steady(), SteadyTime::duration(0))));
        constexpr milliseconds late{500};
        check_worker(clock_.steady() > due + late);
        ping_manager();
    } while ((worker_ != 0) == had_worker && !(stop_requested_ && worker_ == 0) &&
             (!deadline || clock_.steady() < *deadline));
}

void Keeper::wait(milliseconds timeout) {
    std::array<pollfd, 2> sources{{{signals_.get(), POLLIN, 0}, {relay_->fd(), POLLIN, 0}}};
    if (::poll(sources.data(), sources.size(), static_cast<int>(timeout.count())) <= 0) return;
    relay_->receive(clock_.steady());  // before the end of the worker is noted
    take_signals();
}

void Keeper::take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGCHLD) {
            reap();
        } else {
            pass_on(signal.ssi_signo == SIGHUP);
        }
    }
}

/// Takes the ends of all children: as process 1 of a container, the keeper inherits those of others.
void Keeper::reap() {
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended == worker_) note_end(status);
    }
}

void Keeper::pass_on(bool hangup) {
    stop_requested_ = stop_requested_ || !hangup;
    if (worker_ != 0) ::kill(worker_, keeper_signal(hangup));
}

void Keeper::check_worker(bool was_absent) {
    const SteadyTime now = clock_.steady();
    if (was_absent) relay_->excuse(now);
    const auto silence = relay_->silence(now);
    if (worker_ == 0 || !relay_->is_ready() || !silence || *silence < watchdog_) return;
    if (aborted_at_) {  // a stopped process takes no signal but SIGKILL
        if (now - *aborted_at_ >= watchdog_) ::kill(worker_, SIGKILL);
        return;
    }
    log_.error("worker does not turn, and is ended",
               {{"for", format_duration(std::chrono::floor<milliseconds>(*silence))}});
    aborted_at_ = now;
    ::kill(worker_, SIGABRT);
}

void Keeper::ping_manager() {
    const SteadyTime now = clock_.steady();
    if (!manager_watchdog_ || now - pinged_ < *manager_watchdog_ / 2) return;
    if (relay_->manager().alive()) pinged_ = now;
}

void Keeper::note_end(int status) {
    page_.worker_ended_ns = std::chrono::nanoseconds(clock_.steady().time_since_epoch()).count();
    ++page_.workers;
    write_page();
    end_ = {.by_signal = WIFSIGNALED(status),
            .code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
            .has_served = relay_->has_served(),
            .stop_requested = stop_requested_};
    worker_ = 0;
}

void Keeper::log_end(const WorkerEnd& end, const KeeperStep& step) {
    if (step.action == KeeperStep::Action::exit && !end.by_signal) return;  // the worker logged its end
    const std::string how = end.by_signal ? signal_name(end.code) : "exit code " + std::to_string(end.code);
    const std::string what = end.by_signal ? "worker crashed" : "worker could not start";
    log_.error(what, {{"by", how}, {"restart_in", format_duration(step.pause)}});
    static_cast<void>(relay_->manager().status(what + " by " + how + "; the connections wait for the next one"));
    if (step.action == KeeperStep::Action::start_over)
        log_.error("closing all connections: the worker crashed too often; report it with the lines before this one");
}

void Keeper::start_over() {
    unsigned from = 0;
    for (const int fd : others_) {  // sorted
        if (static_cast<unsigned>(fd) > from) ::close_range(from, static_cast<unsigned>(fd) - 1, 0);
        from = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(from, ~0U, 0);
    static_cast<void>(::ftruncate(state_.get(), 0) == 0);
    page_.worker_ended_ns = 0;
    write_page();
}

/// Writes instead of mapping: a worker may have truncated the file.
void Keeper::write_page() { static_cast<void>(::pwrite(state_.get(), &page_, sizeof page_, 0) == sizeof page_); }

}  // namespace

int run_keeper(const KeeperOrder& order, const std::function<int(WorkerSeat&)>& work) {
    keep_to_itself();
    if (!order.user.empty()) {
        if (const auto error = become(order.user, order.binds_low_ports)) {
            print_error(error->message);
            return exit_wrong_usage;
        }
    }
    Keeper keeper(order, work);
    if (const auto error = keeper.open()) {
        print_error(error->message);
        return exit_wrong_usage;
    }
    return keeper.run();
}

}  // namespace holdfast
