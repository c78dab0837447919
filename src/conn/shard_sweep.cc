#include <algorithm>
#include <cerrno>

#include "conn/asking.h"
#include "conn/liveness.h"
#include "conn/shard.h"
#include "tcp/probe.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::uint32_t watched_of_ring = 4;  // one in so many: looking costs as much as asking
constexpr std::chrono::milliseconds relief_pause{100};

}  // namespace

/// Wakes the reactor for the next step of the pace, and sleeps on if nothing demands one: no connections, no steps.
void Shard::schedule_step() {
    SteadyTime next = asked_.next_due();
    if (const auto wait = pace_.next_step(core_.reactor.now())) next = std::min(next, core_.reactor.now() + *wait);
    if (wants_relief()) next = std::min(next, core_.reactor.now() + relief_pause);
    if (next >= step_at_) return;
    step_at_ = next;
    core_.reactor.run_at(next, [this, next] {
        if (next == step_at_) step_pace();  // else an earlier step came between
    });
}

void Shard::step_pace() {
    step_at_ = SteadyTime::max();
    sweep_due_ = true;
    pace_.pass_asking_ring(core_.reactor.now(), [this](std::uint32_t slot) {
        if (Connection* connection = core_.registry.in_slot(slot)) ask_if_quiet(*connection);
    });
    pace_.draw_canaries(core_.reactor.now(), [this](std::uint32_t slot) { return ask_as_canary(slot); });
    relieve();
    asked_.due(core_.reactor.now(), [this](const AskedList::Asked& asked) { look_at_asked(asked); });
    schedule_step();
}

void Shard::sweep_slice() {
    sweep_due_ = pace_.sweep(core_.reactor.now(), [this](std::uint32_t slot) {
        if (Connection* connection = core_.registry.in_slot(slot)) look_at(*connection);
    });
}

void Shard::look_at(Connection& connection) {
    if (connection.untold && core_.time().tick.since(connection.opened) >= std::chrono::seconds(1)) {
        core_.handler.on_still_untold(connection, core_.number_of(connection), core_.time());
    }
    judge(connection);
    if (connection.under_watch && !connection.dying) look_at_watched(connection);
}

/// The asking ring: asks the quiet a few at a time, ahead of the kernel, whose timers would ask all those at once that
/// fell silent in the same quarter of a second and lose most of the answers in a full queue.
void Shard::ask_if_quiet(Connection& connection) {
    if (pass_asking_ring(connection, pace_.is_herd())) {
        ask_ahead(connection, ++asked_in_turn_ % watched_of_ring == 0);
    }
}

/// A few drawn at random, whether quiet for a round or not: what shows a partition within a second.
bool Shard::ask_as_canary(std::uint32_t slot) {
    Connection* connection = core_.registry.in_slot(slot);
    if (connection == nullptr || !take_as_canary(*connection)) return false;
    ask_ahead(*connection, true);
    return true;
}

void Shard::ask_ahead(Connection& connection, bool watched) {
    if (connection.probe_forced || connection.suspect || asked_.full()) return;
    const auto facts = read_tcp_facts(connection.fd);
    // Whom the kernel is asking already keeps the kernel's rhythm, which the bound is reckoned with.
    if (!facts || facts->evidence.probes > 0 || facts->evidence.last_heard < probe_not_needed_within) return;
    force_probe(connection.fd);
    connection.probe_forced = true;
    core_.counters.asked_ahead.increment();
    asked_.add(core_.number_of(connection), core_.reactor.now(), facts->evidence.last_heard, watched);
}

void Shard::look_at_asked(AskedList::Asked asked) {
    Connection* connection = core_.registry.find(asked.number);
    if (connection == nullptr) return;
    const auto waited = std::chrono::floor<std::chrono::milliseconds>(core_.reactor.now() - asked.at);
    if (asked.look == 0) end_asking(*connection, asked.silence + waited);
    if (!core_.observations.wanted() || !asked.watched || connection->suspect) return;
    const auto facts = read_tcp_facts(connection->fd);
    if (!facts) return;
    const Evidence& evidence = facts->evidence;
    if (evidence.last_heard < waited + probe_not_needed_within / 2) {
        const auto took = std::max(waited - evidence.last_heard, std::chrono::milliseconds(0));
        return notice(*connection, Observation::Kind::answered, took);
    }
    if (!asked.overdue && core_.attended_part(waited) > 3 * evidence.rtt + std::chrono::milliseconds(200)) {
        asked.overdue = true;
        notice(*connection, Observation::Kind::overdue, evidence.last_heard);
    }
    asked_.look_again(asked);
}

/// Ends the forced probe. `silence` holds if the peer has not answered; the kernel is read only if the plan's first
/// probe was due meanwhile.
void Shard::end_asking(Connection& connection, std::chrono::milliseconds silence) {
    const LivenessPlan& plan = core_.policy_of(connection).plan;
    if (silence >= plan.idle) {
        if (const auto facts = read_tcp_facts(connection.fd)) silence = facts->evidence.last_heard;
    }
    connection.probe_forced = false;
    end_forced_probe(connection, plan, silence);
}

void Shard::notice(const Connection& connection, Observation::Kind kind, std::chrono::milliseconds time_span) {
    core_.observations.add(
        {.kind = kind,
         .reason = {},
         .listener = connection.listener,
         .peer = connection.peer.address,
         .at = core_.reactor.now(),
         .last_heard = kind == Observation::Kind::overdue ? time_span : std::chrono::milliseconds(0),
         .lived = {},
         .answered_after = kind == Observation::Kind::answered ? time_span : std::chrono::milliseconds(0)});
}

void Shard::look_at_watched(Connection& connection) {
    const auto facts = read_tcp_facts(connection.fd);
    if (!facts) return;
    note_progress(connection, *facts);
    const ListenerPolicy& policy = core_.policy_of(connection);
    const Downlink* downlink = connection.downlink.get();
    WatchedFacts view{.facts = *facts,
                      .bytes_waiting = downlink != nullptr && downlink->waiting() > 0,
                      .unprogressed = {},
                      .plan_age = core_.attended_part(core_.time().tick.since(policy.plan_since))};
    // A frozen machine's kernel has neither heard nor probed anyone; for a stopped process its verdict is ETIMEDOUT.
    view.facts.evidence.last_heard = core_.attended_part(view.facts.evidence.last_heard);
    if (downlink != nullptr && downlink->progress_at != Tick{}) {
        view.unprogressed = core_.attended_part(core_.time().tick.since(downlink->progress_at));
        view.longest_step = downlink->longest_step;
    }
    relieve_kernel(connection, view);
    switch (judge_watch(view, policy)) {
        case WatchVerdict::well:
            if (connection.keepidle_moved) end_forced_probe(connection, policy.plan, facts->evidence.last_heard);
            connection.under_watch = false;
            connection.downlink.reset();
            break;
        case WatchVerdict::waiting:
        case WatchVerdict::stalled:
            look_before_next_sweep(connection, verdict_due_in(view, policy));
            break;
        case WatchVerdict::silent:
            end_by_silence(connection, facts->evidence, {});
            break;
        case WatchVerdict::stalled_out:
            end_stalled(connection, facts->evidence, stall_limit(policy, view.longest_step));
            break;
    }
}

/// Remembers when the peer last acknowledged a byte while some were outstanding. Progress is what it acknowledges, not
/// its window: a slow reader's window is closed at nearly every look.
void Shard::note_progress(Connection& connection, const TcpFacts& facts) {
    const bool waiting = connection.downlink && connection.downlink->waiting() > 0;
    if (facts.evidence.unacked_bytes == 0 && !waiting) {
        if (connection.downlink) connection.downlink->progress_at = Tick{};
        return;
    }
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    const bool grew = downlink.acked != facts.acked_bytes;
    if (grew && downlink.progress_at != Tick{}) {
        const auto step = core_.attended_part(core_.time().tick.since(downlink.progress_at));
        downlink.longest_step = std::max(downlink.longest_step, step);
    }
    if (grew || downlink.progress_at == Tick{}) downlink.progress_at = core_.time().tick;
    downlink.acked = facts.acked_bytes;
}

/// Lifts the kernel's own limits where they would end what the sweep still allows, and puts them back.
void Shard::relieve_kernel(Connection& connection, const WatchedFacts& view) {
    if (!connection.downlink) return;
    Downlink& downlink = *connection.downlink;
    const ListenerPolicy& policy = core_.policy_of(connection);
    const KernelRelief now{.user_timeout = downlink.user_timeout_raised, .rto_cap = downlink.rto_uncapped};
    const KernelRelief wanted = relief_for(view, now, policy.plan);
    if (wanted.user_timeout != now.user_timeout) {
        set_user_timeout(connection.fd,
                         wanted.user_timeout ? ListenerPolicy::raised_user_timeout : policy.plan.user_timeout);
    }
    if (wanted.rto_cap != now.rto_cap && policy.plan.rto_max > std::chrono::seconds(0)) {
        set_rto_max(connection.fd, wanted.rto_cap ? std::chrono::seconds(0) : policy.plan.rto_max);
    }
    downlink.user_timeout_raised = wanted.user_timeout;
    downlink.rto_uncapped = wanted.rto_cap;
}

/// The sweep comes by once in a period; a limit that ends before it does is kept by a look of its own.
void Shard::look_before_next_sweep(const Connection& connection, std::chrono::milliseconds due) {
    if (due >= 2 * core_.policy_of(connection).plan.sweep_period) return;
    core_.reactor.run_at(core_.reactor.now() + due, [this, number = core_.number_of(connection)] {
        Connection* again = core_.registry.find(number);
        if (again != nullptr && again->under_watch) look_at_watched(*again);
    });
}

/// A peer that answers behind its closed window reads nothing; one that has stopped answering there is gone.
void Shard::end_stalled(Connection& connection, const Evidence& evidence, std::chrono::milliseconds limit) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    const CloseReason reason = judge_timeout(evidence, std::max(policy.plan.user_timeout, limit));
    if (reason != CloseReason::window_stalled) return end_by_silence(connection, evidence, {});
    read_last_bytes(connection);
    core_.close(connection, Death{.reason = reason, .error = 0, .detail = {}, .evidence = evidence});
}

/// Ahead of the kernel, which would have told of an ICMP by its errno: so it is asked for that first.
void Shard::end_by_silence(Connection& connection, const Evidence& evidence, std::string_view detail) {
    read_last_bytes(connection);
    if (connection.dying || connection.read_again) return;
    const int told = take_error(connection.fd);
    const int error = told != 0 ? told : ETIMEDOUT;
    const CloseReason reason =
        judge_close(error, IoPhase::read, evidence, core_.policy_of(connection).plan.user_timeout);
    core_.close(connection, Death{.reason = reason, .error = error, .detail = detail, .evidence = evidence});
}

}  // namespace holdfast
