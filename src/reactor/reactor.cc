#include "reactor/reactor.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/fork_guard.h"
#include "base/kernel.h"
#include "base/system_failure.h"

namespace holdfast {

void TimerQueue::advance_to(SteadyTime now) {
    if (timers_.empty() || timers_.begin()->first.first > now) return;
    std::vector<decltype(timers_)::node_type> due;
    while (!timers_.empty() && timers_.begin()->first.first <= now) due.push_back(timers_.extract(timers_.begin()));
    for (auto& timer : due) timer.mapped()();
}

using std::chrono::nanoseconds;

WakeTimer::WakeTimer() : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (!timer_.valid()) throw_errno("timerfd_create");
    close_in_child(timer_.get());
}

void WakeTimer::set(nanoseconds from_now) {
    from_now = std::max(from_now, nanoseconds(1));  // 0 would disarm the timer.
    const auto seconds = std::chrono::floor<std::chrono::seconds>(from_now);
    const itimerspec time{.it_interval = {}, .it_value = {seconds.count(), (from_now - seconds).count()}};
    HOLDFAST_CHECK(kernel::timerfd_settime(timer_.get(), 0, &time, nullptr) == 0);
}

namespace {

constexpr std::size_t mailbox_work_per_turn = 256;
constexpr std::size_t mailbox_work_per_look = 8;  // between two readings of the clock
constexpr std::size_t events_ahead = 3;
constexpr int catch_up_waits = 8;  // Per turn; bounds how long the mailbox waits.

TurnMeter::Time thread_cpu_time() {
    timespec time{};
    kernel::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Reactor::Reactor(const Clock& clock) : clock_(clock), now_(clock.steady()), wall_now_(clock.wall()) {
    errno = poller_.add(mailbox_.fd(), EPOLLIN, mailbox_token);
    if (errno == 0) errno = poller_.add(wake_timer_.fd(), EPOLLIN | EPOLLET, timer_token);
    if (errno != 0) throw_errno("epoll_ctl");
}

SteadyTime Reactor::next_due() const {
    if (mail_left_ || client_work_left_ || !caught_up()) return now_;
    const auto next = timers_.next();
    return next ? std::max(*next, now_) : SteadyTime::max();
}

Poller::Timeout Reactor::timeout() {
    if (mail_left_ || client_work_left_ || !caught_up()) return Poller::Timeout::none;
    if (const auto next = timers_.next(); next && next != wakes_at_) {
        wake_timer_.set(*next - clock_.steady());
        wakes_at_ = next;
    }
    return Poller::Timeout::endless;
}

/// Returns true if more work is waiting.
bool Reactor::run_mailbox() {
    const TimeShare share = share_from_now();
    for (std::size_t left = mailbox_work_per_turn; left > 0; left -= mailbox_work_per_look) {
        if (!mailbox_.run(mailbox_work_per_look)) return false;
        if (share.is_spent()) break;
    }
    return true;
}

/// Records the turn. The CPU time counts from the end of the previous turn, since waiting costs next to none.
void Reactor::count_turn() {
    const TurnMeter::Time cpu = thread_cpu_time();
    turns_.count(clock_.steady() - now_, cpu - *cpu_at_end_);
    cpu_at_end_ = cpu;
}

void Reactor::begin_turn(Client& client) {
    now_ = clock_.steady();
    wall_now_ = clock_.wall();
    mail_ = mail_left_;
    const auto absence = absences_.absence(now_);
    if (absence == std::chrono::nanoseconds(0)) return;
    attended_.miss(now_, absence);
    // Each descriptor is reported once, and once more if bytes arrive during the catch-up.
    catch_up_left_ = 2 * client.descriptors() + 1;
    client.on_absence(now_, absence);
}

void Reactor::dispatch(std::span<const epoll_event> ready, Client& client) {
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (i + events_ahead < ready.size()) client.expect(ready[i + events_ahead].data.u64);
        const epoll_event& event = ready[i];
        if (event.data.u64 == mailbox_token) {
            mail_ = true;
        } else if (event.data.u64 == timer_token) {
            wakes_at_.reset();
        } else {
            client.on_ready(event.data.u64, event.events);
        }
    }
}

/// Dispatches readiness until none is left. The turn's own wait may predate the absence, or return nothing.
/// epoll_wait(2) fails with EINTR when a stopped process continues, and returns no more events than its array holds.
void Reactor::catch_up(Client& client) {
    for (int wait = 0; wait < catch_up_waits && !caught_up(); ++wait) {
        const auto ready = poller_.wait(Poller::Timeout::none);
        dispatch(ready, client);
        catch_up_left_ -= poller_.took_all() ? catch_up_left_ : std::min(catch_up_left_, ready.size());
    }
}

void Reactor::turn(Client& client) {
    if (!cpu_at_end_) cpu_at_end_ = thread_cpu_time();
    absences_.expect(next_due());
    const auto ready = poller_.wait(timeout());
    begin_turn(client);
    dispatch(ready, client);
    catch_up(client);
    if (caught_up()) timers_.advance_to(now_);
    mail_left_ = mail_ && run_mailbox();
    client_work_left_ = client.on_turn_end();
    count_turn();
}

void Reactor::run(Client& client) {
    now_ = clock_.steady();
    cpu_at_end_.reset();
    while (!stopping_) turn(client);
    mailbox_.close_and_drain();
}

}  // namespace holdfast
