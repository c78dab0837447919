#include "conn/probe_run.h"

#include <algorithm>
#include <utility>

#include "tcp/probe.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_pause{100};

milliseconds elapsed(SteadyTime since, SteadyTime now) { return std::chrono::floor<milliseconds>(now - since); }

}  // namespace

void ProbeRun::ask(Connection& connection, Token number, SteadyTime now) {
    ++findings_.asked;
    const auto facts = read_tcp_facts(connection.fd);
    if (facts && facts->evidence.last_heard < probe_not_needed_within) {
        if (just_heard_ == JustHeard::is_alive) return count_alive(facts->evidence, milliseconds(0));
        waiting_.push_back({.number = number, .asked = now, .asked_last = now, .was_asked = false});
        return;
    }
    force_probe(connection.fd);
    waiting_.push_back({.number = number, .asked = now, .asked_last = now, .was_asked = true});
}

void ProbeRun::count_alive(const Evidence& evidence, milliseconds waited) {
    ++findings_.alive;
    findings_.last = {
        .conn = {}, .alive = true, .waited = waited, .last_heard = evidence.last_heard, .rtt = evidence.rtt};
}

/// Heard from again, asked now that its second is over, or neither yet.
ProbeRun::Look ProbeRun::look_at_just_heard(Waiting& waiting, const Connection& connection, const Evidence& evidence,
                                            SteadyTime now) {
    const milliseconds waited = elapsed(waiting.asked, now);
    if (evidence.last_heard < waited) {
        count_alive(evidence, waited);
        return Look::answered;
    }
    if (evidence.last_heard >= probe_not_needed_within) {
        force_probe(connection.fd);
        waiting.asked = waiting.asked_last = now;
        waiting.was_asked = true;
    }
    return Look::waits;
}

ProbeRun::Look ProbeRun::look_at(Waiting& waiting, Registry& registry, const std::vector<ListenerPolicy>& policies,
                                 SteadyTime now) {
    Connection* connection = registry.find(waiting.number);
    const auto facts = connection == nullptr ? std::nullopt : read_tcp_facts(connection->fd);
    const milliseconds waited = elapsed(waiting.asked, now);
    if (!facts) {
        count_silent(waiting, waited, now);
        return Look::answered;
    }
    if (!waiting.was_asked && timeout_ > milliseconds(0)) {
        return look_at_just_heard(waiting, *connection, facts->evidence, now);
    }
    const milliseconds last_heard = facts->evidence.last_heard;
    // It had been silent for a second and more when it was asked, so a silence shorter than half of that plus the wait
    // is a new one; the margin absorbs the kernel's jiffies.
    if (last_heard < waited + probe_not_needed_within / 2) {
        count_alive(facts->evidence, waited);
        end_forced_probe(connection->fd, policies[connection->listener].plan.idle);
        return Look::answered;
    }
    if (waited >= timeout_) {
        count_silent(waiting, last_heard, now);
        end_forced_probe(connection->fd, policies[connection->listener].plan.idle);
        // Putting the option back moved the kernel's own ticks: the sweep now keeps the bound for it.
        connection->under_watch = true;
        return Look::answered;
    }
    if (now - waiting.asked_last >= probe_spacing) {
        force_probe(connection->fd);
        waiting.asked_last = now;
    }
    return Look::waits;
}

void ProbeRun::count_silent(const Waiting& waiting, milliseconds last_heard, SteadyTime now) {
    findings_.silent.push_back(waiting.number);
    findings_.last = {
        .conn = {}, .alive = false, .waited = elapsed(waiting.asked, now), .last_heard = last_heard, .rtt = {}};
}

std::optional<SteadyTime> ProbeRun::step(Registry& registry, const std::vector<ListenerPolicy>& policies,
                                         SteadyTime now, std::size_t limit) {
    for (; limit > 0 && next_ < waiting_.size(); --limit, ++next_) {
        Waiting waiting = waiting_[next_];
        if (look_at(waiting, registry, policies, now) == Look::waits) waiting_[kept_++] = waiting;
    }
    if (next_ < waiting_.size()) return now;
    waiting_.resize(kept_);
    next_ = kept_ = 0;
    if (!all_asked_) return now + pause_;
    if (!waiting_.empty()) return next_round(now);
    finish();
    return std::nullopt;
}

SteadyTime ProbeRun::next_round(SteadyTime now) {
    return now + std::exchange(pause_, std::min(pause_ * 2, longest_pause));
}

void ProbeRun::give_up(Registry& registry, const std::vector<ListenerPolicy>& policies, SteadyTime now) {
    timeout_ = milliseconds(0);
    all_asked_ = true;
    while (step(registry, policies, now, waiting_.size() + 1)) {
    }
}

void ProbeRun::finish() { std::exchange(done_, nullptr)(std::move(findings_)); }

}  // namespace holdfast
