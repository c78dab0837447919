#include "conn/probe_run.h"

#include <algorithm>
#include <utility>

#include "conn/suspects.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_pause{100};

milliseconds elapsed(SteadyTime since, SteadyTime now) { return std::chrono::floor<milliseconds>(now - since); }

}  // namespace

void ProbeRun::probe(Connection& connection, Token number, const LivenessPlan& plan, SteadyTime now) {
    ++findings_.probed;
    const auto facts = read_tcp_facts(connection.fd);
    if (facts && facts->evidence.last_heard < probe_not_needed_within) {
        if (just_heard_ == JustHeard::is_alive) return count_alive(facts->evidence, milliseconds(0));
        waiting_.push_back(
            {.number = number, .began = now, .first_probe = now, .last_probe = now, .was_probed = false});
        return;
    }
    const bool forced = facts && may_force_probe(plan, facts->evidence.last_heard);
    if (forced) force_probe(connection);
    waiting_.push_back(
        {.number = number, .began = now, .first_probe = now, .last_probe = now, .was_probed = true, .forced = forced});
}

void ProbeRun::count_alive(const Evidence& evidence, milliseconds waited) {
    ++findings_.alive;
    findings_.last = {
        .conn = {}, .alive = true, .waited = waited, .last_heard = evidence.last_heard, .rtt = evidence.rtt};
}

/// Checks a connection that was active just before. Probes it once a second of silence has passed.
ProbeRun::Sample ProbeRun::check_just_heard(Waiting& waiting, Connection& connection, const Evidence& evidence,
                                            SteadyTime now) {
    const milliseconds waited = elapsed(waiting.first_probe, now);
    if (evidence.last_heard < waited) {
        count_alive(evidence, waited);
        return Sample::answered;
    }
    if (evidence.last_heard >= probe_not_needed_within) {
        force_probe(connection);
        waiting.first_probe = waiting.last_probe = now;
        waiting.was_probed = waiting.forced = true;
    }
    return Sample::waits;
}

ProbeRun::Sample ProbeRun::check(Waiting& waiting, Registry& registry, const PolicyTable& policies, SteadyTime now) {
    Connection* connection = registry.find(waiting.number);
    const auto facts = connection == nullptr ? std::nullopt : read_tcp_facts(connection->fd);
    const milliseconds waited = elapsed(waiting.first_probe, now);
    if (!facts) {
        count_silent(waiting, waited, now);
        return Sample::answered;
    }
    if (!waiting.was_probed && timeout_ > milliseconds(0)) {
        return check_just_heard(waiting, *connection, facts->evidence, now);
    }
    const LivenessPlan& plan = policies.of(*connection, registry.slot_of(*connection)).plan;
    // The silence was at least a second at the probe, so a silence shorter than the wait plus half of that is new. The
    // margin absorbs the kernel's jiffies.
    if (facts->evidence.last_heard < waited + probe_not_needed_within / 2) {
        count_alive(facts->evidence, waited);
        end_forced_probe(*connection, plan, facts->evidence.last_heard);
        return Sample::answered;
    }
    return check_unanswered(waiting, *connection, plan, facts->evidence.last_heard, now);
}

/// Ends the wait for an answer, or probes again.
ProbeRun::Sample ProbeRun::check_unanswered(Waiting& waiting, Connection& connection, const LivenessPlan& plan,
                                            milliseconds last_heard, SteadyTime now) {
    const milliseconds waited = elapsed(waiting.first_probe, now);
    // A connection that was probed late has been silent as long as the others, so one probe is enough.
    if (elapsed(waiting.began, now) >= timeout_ && waited >= std::min(timeout_, probe_spacing)) {
        count_silent(waiting, last_heard, now);
        if (waiting.forced) end_forced_probe(connection, plan, last_heard);
        // When the peer answers, the sweep ends the watch and restores TCP_KEEPIDLE if that was moved.
        connection.under_watch = true;
        return Sample::answered;
    }
    probe_again(waiting, connection, plan, last_heard, now);
    return Sample::waits;
}

/// Repeats the probe when due; leaves the last probes before the verdict to the kernel.
void ProbeRun::probe_again(Waiting& waiting, Connection& connection, const LivenessPlan& plan, milliseconds last_heard,
                           SteadyTime now) {
    if (!may_force_probe(plan, last_heard)) {
        if (std::exchange(waiting.forced, false)) end_forced_probe(connection, plan, last_heard);
    } else if (now - waiting.last_probe >= probe_spacing) {
        force_probe(connection);
        waiting.last_probe = now;
        waiting.forced = true;
    }
}

void ProbeRun::count_silent(const Waiting& waiting, milliseconds last_heard, SteadyTime now) {
    findings_.silent.push_back(waiting.number);
    findings_.last = {
        .conn = {}, .alive = false, .waited = elapsed(waiting.first_probe, now), .last_heard = last_heard, .rtt = {}};
}

std::optional<SteadyTime> ProbeRun::step(Registry& registry, const PolicyTable& policies, SteadyTime now,
                                         std::size_t limit) {
    for (; limit > 0 && next_ < waiting_.size(); --limit, ++next_) {
        Waiting waiting = waiting_[next_];
        if (check(waiting, registry, policies, now) == Sample::waits) waiting_[kept_++] = waiting;
    }
    if (next_ < waiting_.size()) return now;
    waiting_.resize(kept_);
    next_ = kept_ = 0;
    if (!all_probed_) return now + pause_;
    if (!waiting_.empty()) return next_round(now);
    finish();
    return std::nullopt;
}

SteadyTime ProbeRun::next_round(SteadyTime now) {
    return now + std::exchange(pause_, std::min(pause_ * 2, longest_pause));
}

void ProbeRun::give_up(Registry& registry, const PolicyTable& policies, SteadyTime now) {
    timeout_ = milliseconds(0);
    all_probed_ = true;
    while (step(registry, policies, now, waiting_.size() + 1)) {
    }
}

void ProbeRun::finish() { std::exchange(done_, nullptr)(std::move(findings_)); }

}  // namespace holdfast
