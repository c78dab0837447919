#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/timer_queue.h"
#include "reactor/wake_timer.h"

namespace holdfast {

/// One event-loop thread. A turn, in this order, and `now` is taken once in it:
///   1. wait        for readiness, the next timer or the mailbox (not at all if the client has work left)
///   2. dispatch    readiness to the client, stale tokens are its to drop
///   3. timers      what is due
///   4. mailbox     up to 256 pieces of work from other threads
///   5. turn end    the client sweeps a slice, flushes what it made, and buries its dead
/// Owns poller, timers and mailbox. Ends when stop() was called and the turn is over.
class Reactor {
public:
    /// What lives on the reactor. Called on its thread only.
    class Client {
    public:
        virtual ~Client() = default;
        virtual void on_ready(Token token, std::uint32_t events) = 0;
        /// on_ready(token) follows soon: the moment to fetch what it will touch into the cache. May be stale or the
        /// reactor's own.
        virtual void expect(Token token) noexcept { static_cast<void>(token); }
        /// True if there is work left that must not wait for readiness.
        [[nodiscard]] virtual bool on_turn_end() = 0;
    };

    explicit Reactor(const Clock& clock);

    /// Runs turns on the calling thread until stop(); then runs what the mailbox still holds.
    void run(Client& client);
    /// One turn; for run() and for tests.
    void turn(Client& client);
    /// On the reactor's thread: this turn is the last.
    void stop() { stopping_ = true; }

    /// Any thread. False if the reactor has ended: the work will not run.
    [[nodiscard]] bool post(Mailbox::Work work) { return mailbox_.post(std::move(work)); }

    [[nodiscard]] SteadyTime now() const { return now_; }
    [[nodiscard]] WallTime wall_now() const { return wall_now_; }
    [[nodiscard]] Poller& poller() { return poller_; }
    void run_at(SteadyTime when, std::function<void()> work) { timers_.schedule(when, std::move(work)); }

private:
    /// Whether to wait, and the wake timer set if so.
    [[nodiscard]] Poller::Patience patience();

    static constexpr Token mailbox_token = reactor_token_bit | 0xffff'ffff;
    static constexpr Token timer_token = reactor_token_bit | 0xffff'fffe;

    const Clock& clock_;
    Poller poller_;
    TimerQueue timers_;
    WakeTimer wake_timer_;
    std::optional<SteadyTime> wakes_at_;  // what the timer is set for
    Mailbox mailbox_;
    SteadyTime now_;
    WallTime wall_now_;
    bool mail_left_ = false;
    bool client_work_left_ = false;
    bool stopping_ = false;
};

}  // namespace holdfast
