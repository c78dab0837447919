#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "base/attended_time.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/turn_meter.h"

namespace holdfast {

/// Orders the reactor's timers by time: the sweep, a paused listener, a running probe, those of a program. Connections
/// have no timers; the sweep checks them (docs/decisions/0002). One thread; the owner, or a test, advances the time.
class TimerQueue {
public:
    /// Time and number of a timer. Timers of one time run in the order of their numbers.
    using Key = std::pair<SteadyTime, std::uint64_t>;

    /// Runs `run` once at `when`.
    Key schedule(SteadyTime when, std::function<void()> run) {
        const Key key{when, ++latest_};
        timers_.emplace(key, std::move(run));
        return key;
    }
    /// Frees a timer that does not run then. A timer that has run, or is about to within advance_to(), stays.
    void cancel(const Key& key) { timers_.erase(key); }

    /// Runs the timers that are due at `now`. A timer scheduled by one of them waits for the next call.
    void advance_to(SteadyTime now);

    [[nodiscard]] std::optional<SteadyTime> next() const {
        return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first.first);
    }

private:
    std::map<Key, std::function<void()>> timers_;
    std::uint64_t latest_ = 0;
};

/// Wakes a poller at a given time through a descriptor (timerfd_create(2)). A timeout for each epoll_wait(2) would
/// create and cancel a kernel timer. If devices send one item at a time, that costs an eighth of an item
/// (docs/explanation/performance.md). One thread.
class WakeTimer {
public:
    /// Throws std::system_error.
    WakeTimer();

    /// Arms the timer to expire once after `from_now`, at least 1 ns, and replaces the previous expiry.
    void set(std::chrono::nanoseconds from_now);

    /// Returns the descriptor for an edge-triggered poller. The caller need not read it.
    [[nodiscard]] int fd() const noexcept { return timer_.get(); }

private:
    UniqueFd timer_;
};

// A turn has five phases, in this order, and reads the clock once:
//   1. wait        for readiness, the next timer or the mailbox (without blocking if the client has work left)
//   2. dispatch    readiness to the client, which drops stale tokens; after an absence, everything that is ready
//   3. timers      that are due; after an absence, only once all readiness was dispatched
//   4. mailbox     up to 256 items from other threads, within `phase_share`
//   5. turn end    the client sweeps a slice, flushes its output and finalizes closed connections

/// Runs the event loop of one thread. Owns poller, timers and mailbox. Ends after the turn in which stop() was called.
class Reactor {
public:
    /// Receives the reactor's callbacks, on its thread only.
    class Client {
    public:
        virtual ~Client() = default;
        virtual void on_ready(Token token, std::uint32_t events) = 0;
        /// Announces that on_ready(token) follows soon, so that the client can prefetch its data. The token may be
        /// stale or the reactor's own.
        virtual void expect(Token token) noexcept { static_cast<void>(token); }
        /// Reports an absence of `length` that ended at `until`: the process was stopped, or a turn took long.
        virtual void on_absence(SteadyTime until, std::chrono::nanoseconds length) {
            static_cast<void>(until), static_cast<void>(length);
        }
        /// Returns the number of the client's descriptors in the poller, or a lower bound. This number bounds the
        /// catch-up.
        [[nodiscard]] virtual std::size_t descriptors() const { return 0; }
        /// Returns true if work is left that must not wait for readiness.
        [[nodiscard]] virtual bool on_turn_end() = 0;
    };

    /// Throws std::system_error if descriptors or epoll watches are exhausted.
    explicit Reactor(const Clock& clock);

    /// Runs turns on the calling thread until stop(), then the remaining work of the mailbox.
    void run(Client& client);
    /// Runs one turn, for run() and for tests.
    void turn(Client& client);
    /// Makes this turn the last. Reactor's thread.
    void stop() { stopping_ = true; }
    [[nodiscard]] bool is_stopping() const { return stopping_; }

    // For a simulation, which calls turn() when there is something to do. Reactor's thread.
    [[nodiscard]] bool has_work() { return mail_left_ || client_work_left_ || !caught_up() || mailbox_.has_work(); }
    [[nodiscard]] SteadyTime next_timer() const { return timers_.next().value_or(SteadyTime::max()); }

    /// Posts work from any thread. Returns false if the reactor has ended; the work does not run.
    [[nodiscard]] bool post(Mailbox::Work work) { return mailbox_.post(std::move(work)); }

    [[nodiscard]] SteadyTime now() const { return now_; }
    [[nodiscard]] WallTime wall_now() const { return wall_now_; }
    /// Limits the time of a phase in one turn; the rest waits for the next turn. All phases together stay well below
    /// TurnMeter::long_turn.
    static constexpr std::chrono::milliseconds phase_share{10};
    /// Returns the share of a phase that begins now.
    [[nodiscard]] TimeShare share_from_now() const { return {clock_, clock_.steady(), phase_share}; }
    /// Returns the share of the phase that began with the turn.
    [[nodiscard]] TimeShare first_share() const { return {clock_, now_, phase_share}; }
    [[nodiscard]] const TurnMeter& turns() const { return turns_; }
    [[nodiscard]] Poller& poller() { return poller_; }
    TimerQueue::Key run_at(SteadyTime when, std::function<void()> work) {
        return timers_.schedule(when, std::move(work));
    }
    void cancel(const TimerQueue::Key& timer) { timers_.cancel(timer); }

    /// Returns `now` on the time line without the reactor's absences. Deadlines for a peer's behaviour use it.
    [[nodiscard]] SteadyTime attended() const { return attended_.at(now_); }
    [[nodiscard]] const AttendedTime& attended_time() const { return attended_; }
    /// Runs `work` once attended() has reached `when`, or earlier if the reactor was absent in between; `work` checks
    /// the time itself.
    void run_at_attended(SteadyTime when, std::function<void()> work) {
        run_at(attended_.steady(when), std::move(work));
    }
    /// Returns false after an absence until all readiness was dispatched. No deadline of a peer is enforced before.
    [[nodiscard]] bool caught_up() const { return catch_up_left_ == 0; }
    /// Returns true if attended() has reached `deadline` and the reactor has caught up.
    [[nodiscard]] bool has_passed(SteadyTime deadline) const { return caught_up() && attended() >= deadline; }

private:
    void begin_turn(Client& client);
    void dispatch(std::span<const epoll_event> ready, Client& client);
    void catch_up(Client& client);
    /// Returns the latest start of the next turn.
    [[nodiscard]] SteadyTime next_due() const;
    /// Returns whether the next wait blocks, and arms the wake timer if it does.
    [[nodiscard]] Poller::Timeout timeout();
    [[nodiscard]] bool run_mailbox();
    void count_turn();

    static constexpr Token mailbox_token = reactor_token_bit | 0xffff'ffff;
    static constexpr Token timer_token = reactor_token_bit | 0xffff'fffe;

    const Clock& clock_;
    Poller poller_;
    TimerQueue timers_;
    WakeTimer wake_timer_;
    std::optional<SteadyTime> wakes_at_;  // The armed expiry of the timer.
    Mailbox mailbox_;
    TurnMeter turns_;
    std::optional<TurnMeter::Time> cpu_at_end_;  // At the end of the previous turn, of the thread that runs turns.
    SteadyTime now_;
    WallTime wall_now_;
    AttendedTime attended_;
    AbsenceDetector absences_;
    std::size_t catch_up_left_ = 0;  // Upper bound of readiness events before deadlines are enforced again.
    bool mail_ = false;              // The mailbox may contain work.
    bool mail_left_ = false;
    bool client_work_left_ = false;
    bool stopping_ = false;
};

}  // namespace holdfast
