#include "watch/watcher.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds glance{200};
constexpr seconds sample_every{1};
constexpr std::size_t max_questions = 4;
constexpr std::size_t peers_sampled = 64;  // of each reactor, whose routes are watched

/// Returns the answer, or an empty one if there was no memory for it.
ProbeSummary found_by(std::future<ProbeSummary>& answer) {
    try {
        return answer.get();
    } catch (const std::exception&) {
        return {};
    }
}

/// Returns the wall clock's time at a moment of the steady clock.
EventTime wall_at(std::chrono::steady_clock::time_point now) {
    const auto since = std::chrono::steady_clock::now() - now;
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now() - since);
}

}  // namespace

Watcher::Watcher(Server& server, Options options)
    : server_(server),
      options_(std::move(options)),
      suspicion_on_(options_.alarms.suspicion),
      engine_(options_.alarms),
      links_({.peers = [this] { return server_.sample_peers(peers_sampled); },
              .route_to = [this](const IpAddress& peer) { return routes_.route_to(peer); },
              .interface = [this](int index) { return routes_.interface(index); }}),
      members_(server, options_.online_elsewhere) {
    if (!options_.former_trend.empty()) static_cast<void>(trend_.restore(options_.former_trend));
    AlarmHistory former = std::exchange(options_.former_alarms, {});
    engine_.restore(std::move(former.board));
    board_ = engine_.board();
    members_.restore(std::move(former.members), board_);
    watching_ = start_thread("watch", [this] { watch(); });
    try {
        reconciling_ = start_thread("reconcile", [this] { reconcile_regularly(); });
    } catch (...) {
        stop();
        throw;
    }
}

void Watcher::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(stop_, true)) return;
    }
    stopping_.notify_all();
    watching_.join();
    if (reconciling_.joinable()) reconciling_.join();
}

bool Watcher::sleep_until(Time when) {
    std::unique_lock lock(mutex_);
    return !stopping_.wait_until(lock, when, [this] { return stop_; });
}

void Watcher::watch() {
    Time next_glance = std::chrono::steady_clock::now();
    Time next_sample = next_glance;
    while (sleep_until(next_glance)) {
        const Time now = std::chrono::steady_clock::now();
        next_glance = now + glance;
        try {
            look(now, next_sample);
        } catch (const std::bad_alloc&) {
            // The next glance looks again.
        }
    }
    questions_.clear();  // waits for probes under way
}

void Watcher::look(Time now, Time& next_sample) {
    take_note();
    const bool news = take_answers(now);
    probe_suspects(now);
    // An alarm must not be raised and explained from the half of a partition that one reactor has marked already.
    const bool due = now >= next_sample && !is_settling(now);
    if (due) next_sample = now - next_sample > sample_every ? now + sample_every : next_sample + sample_every;
    if (due || news) evaluate(now, due);
}

void Watcher::take_note() {
    const Observations observations = server_.observe();
    if (observations.dropped > 0) engine_.note_gap(std::chrono::steady_clock::now());
    for (const Observation& observation : observations.seen) {
        engine_.note(observation);
        suspicion_.note(observation);
    }
}

void Watcher::probe_suspects(Time now) {
    {
        const std::lock_guard lock(mutex_);
        if (!suspicion_on_) return;
    }
    if (questions_.size() >= max_questions) return;
    for (const Suspect& suspect : suspicion_.decide(now)) {
        const SignalsBlocked blocked;
        const auto ask = [this, suspect] {
            return server_.probe_all(suspect.peer, suspect.timeout, OnSilent::suspect, suspect.listener);
        };
        try {
            questions_.push_back({suspect, now, std::async(std::launch::async, ask)});
        } catch (const std::exception&) {  // no memory, or no thread: the plan of each connection decides alone
            suspicion_.settled(suspect, 0, 0, now);
        }
    }
}

std::string Watcher::name_of(std::uint8_t listener) const {
    for (const ListenerStatus& status : server_.status().listeners) {
        if (status.number == listener) return status.name;
    }
    return {};
}

/// Returns true if there were answers.
bool Watcher::take_answers(Time now) {
    bool any = false;
    for (auto question = questions_.begin(); question != questions_.end();) {
        if (question->answer.wait_for(seconds(0)) != std::future_status::ready) {
            ++question;
            continue;
        }
        Question asked = std::move(*question);
        question = questions_.erase(question);
        const Inquiry inquiry{asked.suspect, name_of(asked.suspect.listener), found_by(asked.answer)};
        suspicion_.settled(inquiry.suspect, inquiry.found.asked, inquiry.found.silent.size(), now);
        {
            const std::lock_guard lock(mutex_);
            ++suspicion_status_.suspicions;
            suspicion_status_.alive += inquiry.found.alive;
            suspicion_status_.silent += inquiry.found.silent.size();
        }
        if (options_.on_inquiry) options_.on_inquiry(inquiry);
        any = true;
    }
    if (any) take_note();  // the marked ones
    return any;
}

/// Returns true if a probe's answer is about to be taken. Such a probe marks connections reactor by reactor.
bool Watcher::is_settling(Time now) const {
    return std::any_of(questions_.begin(), questions_.end(), [now](const Question& question) {
        const Time end = question.asked + question.suspect.timeout;
        return now >= end - glance && now < end + sample_every;
    });
}

void Watcher::evaluate(Time now, bool sample) {
    // The wall clock at `now`: alarms convert times of the steady clock by this pair.
    const EventTime wall = wall_at(now);
    const ServerStatus status = server_.status();
    std::optional<Reconciliation> reconciled;
    {
        const std::lock_guard lock(mutex_);
        if (const auto settings = std::exchange(new_settings_, std::nullopt)) engine_.change(*settings);
        for (auto& [id, given] : std::exchange(acknowledged_, {})) engine_.acknowledge(id, std::move(given));
        reconciled = reconciled_;
    }
    const auto changed = engine_.evaluate({.now = now,
                                           .wall = wall,
                                           .status = status,
                                           .sink = options_.sink ? options_.sink() : SinkStatus{},
                                           .fleet = options_.fleet ? options_.fleet() : FleetStatus{},
                                           .reconciled = reconciled ? &*reconciled : nullptr,
                                           .census = [this] { return server_.census(); },
                                           .links = links_.check(now)});
    AlarmBoard board = engine_.board();
    const std::size_t active = board.active.size();
    members_.take(board, changed);
    publish(std::move(board));
    for (const Alarm& alarm : changed) {
        if (options_.on_alarm) options_.on_alarm(alarm);
    }
    if (sample) take_sample({now, wall}, status, active);
}

void Watcher::publish(AlarmBoard board) {
    const std::lock_guard lock(mutex_);
    board_ = std::move(board);
    for (const auto& [id, given] : acknowledged_) {
        if (Alarm* const alarm = board_.find(id)) alarm->acknowledged = given;
    }
}

void Watcher::take_sample(Moment at, const ServerStatus& status, std::size_t alarms_active) {
    trend_.sample(at.steady, at.wall, status);
    if (!options_.on_sample) return;
    const auto latest = trend_.answer({.window = seconds(1), .step = seconds(1), .listener = {}});
    if (!latest.points.empty()) options_.on_sample({latest.points.back(), status, alarms_active});
}

void Watcher::reconcile_regularly() {
    Time next = std::chrono::steady_clock::now() + options_.reconcile_every;
    while (sleep_until(next)) {
        try {
            static_cast<void>(reconcile_now());
        } catch (const std::bad_alloc&) {
            // Both lists need 32 bytes per connection. The next run may find memory.
        }
        next = std::chrono::steady_clock::now() + options_.reconcile_every;
    }
}

Reconciliation Watcher::reconcile_now() {
    const Reconciliation result = server_.reconcile();
    const std::lock_guard lock(mutex_);
    reconciled_ = result;
    return result;
}

void Watcher::change(const AlarmConfig& alarms) {
    const std::lock_guard lock(mutex_);
    new_settings_ = alarms;
    suspicion_on_ = alarms.suspicion;
}

AlarmBoard Watcher::alarms() {
    const std::lock_guard lock(mutex_);
    return board_;
}

AlarmHistory Watcher::alarm_history() { return members_.history(alarms(), wall_at(std::chrono::steady_clock::now())); }

std::optional<AlarmDetail> Watcher::alarm(std::uint64_t id) {
    std::optional<Alarm> found;
    {
        const std::lock_guard lock(mutex_);
        if (const Alarm* const alarm = board_.find(id)) found = *alarm;
    }
    return found ? std::optional(members_.detail(*found)) : std::nullopt;
}

bool Watcher::acknowledge(std::uint64_t id, std::optional<std::string> note) {
    std::optional<Acknowledgement> given;
    if (note) given = Acknowledgement{wall_at(std::chrono::steady_clock::now()), std::move(*note)};
    const std::lock_guard lock(mutex_);
    Alarm* const alarm = board_.find(id);
    if (alarm == nullptr) return false;
    alarm->acknowledged = given;
    std::erase_if(acknowledged_, [id](const auto& earlier) { return earlier.first == id; });
    acknowledged_.emplace_back(id, std::move(given));
    return true;
}

SuspicionStatus Watcher::suspicion() {
    const std::lock_guard lock(mutex_);
    SuspicionStatus status = suspicion_status_;
    status.enabled = suspicion_on_;
    return status;
}

std::optional<Reconciliation> Watcher::reconciled() {
    const std::lock_guard lock(mutex_);
    return reconciled_;
}

}  // namespace holdfast
