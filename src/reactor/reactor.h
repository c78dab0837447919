#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/attended_time.h"
#include "base/clock.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/time_share.h"
#include "reactor/timer_queue.h"
#include "reactor/turn_meter.h"
#include "reactor/wake_timer.h"

namespace holdfast {

/// One event-loop thread. A turn, in this order, and `now` is taken once in it:
///   1. wait        for readiness, the next timer or the mailbox (not at all if the client has work left)
///   2. dispatch    readiness to the client, stale tokens are its to drop; after an absence all that is ready
///   3. timers      what is due; after an absence only when all that was ready has been dispatched
///   4. mailbox     up to 256 pieces of work from other threads, for `phase_share` of time
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
        /// The reactor was away for `length` until `until`: the process was stopped, or a turn took long.
        virtual void on_absence(SteadyTime until, std::chrono::nanoseconds length) {
            static_cast<void>(until), static_cast<void>(length);
        }
        /// Returns how many descriptors the client has in the poller, at least: it bounds catching up.
        [[nodiscard]] virtual std::size_t descriptors() const { return 0; }
        /// True if there is work left that must not wait for readiness.
        [[nodiscard]] virtual bool on_turn_end() = 0;
    };

    /// Throws std::system_error: no descriptors, or no watches.
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
    /// A phase of a turn goes on for so long; then it leaves what remains to the next turn. The phases together stay
    /// well below TurnMeter::long_turn.
    static constexpr std::chrono::milliseconds phase_share{10};
    /// Share of the phase that begins now.
    [[nodiscard]] TimeShare share_from_now() const { return {clock_, clock_.steady(), phase_share}; }
    /// Share of the phase that began with the turn.
    [[nodiscard]] TimeShare first_share() const { return {clock_, now_, phase_share}; }
    [[nodiscard]] const TurnMeter& turns() const { return turns_; }
    [[nodiscard]] Poller& poller() { return poller_; }
    void run_at(SteadyTime when, std::function<void()> work) { timers_.schedule(when, std::move(work)); }

    /// Returns `now` on the time line without the reactor's absences. Deadlines on a peer's behaviour run on it.
    [[nodiscard]] SteadyTime attended() const { return attended_.at(now_); }
    [[nodiscard]] const AttendedTime& attended_time() const { return attended_; }
    /// Runs `work` once attended() has reached `when`, or earlier if the reactor is away meanwhile: look at the time.
    void run_at_attended(SteadyTime when, std::function<void()> work) {
        run_at(attended_.steady(when), std::move(work));
    }
    /// Returns false after an absence, until all that was ready has been dispatched: no peer may be judged before.
    [[nodiscard]] bool caught_up() const { return catch_up_left_ == 0; }
    /// Returns true if attended() has reached `deadline`, and the reactor has caught up.
    [[nodiscard]] bool has_passed(SteadyTime deadline) const { return caught_up() && attended() >= deadline; }

private:
    void begin_turn(Client& client);
    void dispatch(std::span<const epoll_event> ready, Client& client);
    void catch_up(Client& client);
    /// When the next turn begins at the latest.
    [[nodiscard]] SteadyTime next_due() const;
    /// Whether to wait, and the wake timer set if so.
    [[nodiscard]] Poller::Patience patience();
    [[nodiscard]] bool run_mailbox();
    void count_turn();

    static constexpr Token mailbox_token = reactor_token_bit | 0xffff'ffff;
    static constexpr Token timer_token = reactor_token_bit | 0xffff'fffe;

    const Clock& clock_;
    Poller poller_;
    TimerQueue timers_;
    WakeTimer wake_timer_;
    std::optional<SteadyTime> wakes_at_;  // what the timer is set for
    Mailbox mailbox_;
    TurnMeter turns_;
    std::optional<TurnMeter::Time> cpu_at_end_;  // of the turn before, on the thread that runs turns
    SteadyTime now_;
    WallTime wall_now_;
    AttendedTime attended_;
    AbsenceDetector absences_;
    std::size_t catch_up_left_ = 0;  // readiness events, at most, before verdicts are allowed again
    bool mail_ = false;              // the mailbox may have some
    bool mail_left_ = false;
    bool client_work_left_ = false;
    bool stopping_ = false;
};

}  // namespace holdfast
