#include <algorithm>
#include <cerrno>

#include "conn/liveness.h"
#include "conn/shard.h"
#include "tcp/probe.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::uint32_t sweep_slice_slots = 2'048;

// What loopback and veth queue for a core before they drop in silence is 1,000 packets (net.core.netdev_max_backlog).
constexpr std::uint32_t herd = 500;           // fewer connections cannot overrun it
constexpr std::uint32_t watched_of_ring = 4;  // one in so many: looking costs as much as asking
constexpr std::uint32_t most_a_slice = 600;   // looks of the asking ring, of which at most all become probes

}  // namespace

void Shard::schedule_sweep() {
    reactor_.run_at(reactor_.now() + pace_.interval(), [this] {
        sweep_due_ = true;
        if (asking_pace_) {
            ask_slice();
            if (canaries_on_) ask_canaries();
        }
        relieve();
        asked_.due(reactor_.now(), [this](const AskedList::Asked& asked) { look_at_asked(asked); });
        schedule_sweep();
    });
}

void Shard::sweep_slice() {
    const std::uint32_t slots = registry_.highest_slot();
    for (std::uint32_t due = pace_.take(reactor_.now(), slots, sweep_slice_slots); due > 0; --due) {
        sweep_slot_ = sweep_slot_ >= slots ? 1 : sweep_slot_ + 1;
        if (Connection* connection = registry_.in_slot(sweep_slot_)) look_at(*connection);
    }
    sweep_due_ = pace_.behind();
}

void Shard::look_at(Connection& connection) {
    const ListenerPolicy& policy = policy_of(connection);
    if (connection.untold && time().tick.since(connection.opened) >= std::chrono::seconds(1)) {
        handler_.on_still_untold(connection, registry_.number_of(connection), time());
    }
    if (policy.authenticates && !connection.named && !is_opening(connection) &&
        time().tick.since(connection.opened) > ListenerPolicy::name_deadline) {
        return close(connection, CloseReason::unauthenticated, "no hello with a token came within 10 s");
    }
    if (!paused_ && !connection.held && !connection.throttled) {
        const DeadlineView view{
            .now = time().tick,
            .reading_since = std::max(reading_since_, policy.deadlines_since),
            .last_item = connection.last_item,
            .item_began = connection.unfinished ? std::optional(connection.unfinished->began) : std::nullopt};
        if (const auto reason = judge_deadlines(view, policy)) {
            return close(
                connection, *reason,
                *reason == CloseReason::item_deadline ? handler_.why_unfinished(connection) : std::string_view());
        }
    }
    if (connection.under_watch) look_at_watched(connection);
}

/// The asking ring: asks the quiet a few at a time, ahead of the kernel, whose timers would ask all those at once that
/// fell silent in the same quarter of a second and lose most of the answers in a full queue.
void Shard::ask_slice() {
    const std::uint32_t slots = registry_.highest_slot();
    const std::uint32_t due = asking_pace_->take(reactor_.now(), slots, most_a_slice);
    if (registry_.size() <= herd) return;
    for (std::uint32_t i = 0; i < due; ++i) {
        ask_slot_ = ask_slot_ >= slots ? 1 : ask_slot_ + 1;
        if (Connection* connection = registry_.in_slot(ask_slot_)) ask_if_quiet(*connection);
    }
}

void Shard::ask_if_quiet(Connection& connection) {
    const bool quiet_for_a_round = connection.quiet;
    connection.quiet = !quiet_for_a_round;  // the answer to a probe is traffic
    if (quiet_for_a_round) ask_ahead(connection, ++asked_in_turn_ % watched_of_ring == 0);
}

/// A few drawn at random, whether quiet for a round or not: what shows a partition within a second.
void Shard::ask_canaries() {
    const std::uint32_t due = canaries_.take(reactor_.now(), registry_.size(), asking_round_);
    for (std::uint32_t i = 0; i < due; ++i) {
        if (Connection* connection = registry_.in_slot(canaries_.draw(registry_.highest_slot()))) {
            ask_ahead(*connection, true);
        }
    }
}

void Shard::ask_ahead(Connection& connection, bool watched) {
    if (connection.probe_forced || asked_.full()) return;
    const auto facts = read_tcp_facts(connection.fd);
    // Whom the kernel is asking already keeps the kernel's rhythm, which the bound is reckoned with.
    if (!facts || facts->evidence.probes > 0 || facts->evidence.last_heard < probe_not_needed_within) return;
    force_probe(connection.fd);
    connection.probe_forced = true;
    counters_.asked_ahead.increment();
    asked_.add(registry_.number_of(connection), reactor_.now(), watched, connection.overdue);
}

void Shard::look_at_asked(AskedList::Asked asked) {
    Connection* connection = registry_.find(asked.number);
    if (connection == nullptr) return;
    if (asked.look == 0) {
        connection->probe_forced = false;
        end_forced_probe(connection->fd, policy_of(*connection).plan.idle);
    }
    const bool unsettled = connection->overdue || connection->slow > 0;
    if (!observations_.wanted() || (!asked.watched && !unsettled)) return;
    const auto facts = read_tcp_facts(connection->fd);
    if (!facts) return;
    const auto waited = std::chrono::floor<std::chrono::milliseconds>(reactor_.now() - asked.at);
    const Evidence& evidence = facts->evidence;
    if (evidence.last_heard < waited + probe_not_needed_within / 2) {
        const auto took = std::max(waited - evidence.last_heard, std::chrono::milliseconds(0));
        note_answer(*connection, asked, took);
        return notice(*connection, Observation::Kind::answered, took);
    }
    if (!asked.overdue && waited > 3 * evidence.rtt + std::chrono::milliseconds(200)) {
        asked.overdue = connection->overdue = true;
        notice(*connection, Observation::Kind::overdue, evidence.last_heard);
    }
    asked_.look_again(asked);
}

/// Who answers very late, or is there again after having been silent, may do so again: several prompt answers make up
/// for it.
void Shard::note_answer(Connection& connection, const AskedList::Asked& asked, std::chrono::milliseconds took) {
    constexpr std::uint8_t answers_to_make_up = 3;
    if (asked.is_sleepers(took)) {
        connection.slow = answers_to_make_up;
    } else if (connection.slow > 0 && !asked.overdue) {
        connection.slow = (connection.slow - 1U) & 3U;
    }
    connection.overdue = false;
}

void Shard::notice(const Connection& connection, Observation::Kind kind, std::chrono::milliseconds time_span) {
    observations_.add(
        {.kind = kind,
         .reason = {},
         .listener = connection.listener,
         .peer = connection.peer.address,
         .at = reactor_.now(),
         .last_heard = kind == Observation::Kind::overdue ? time_span : std::chrono::milliseconds(0),
         .lived = {},
         .answered_after = kind == Observation::Kind::answered ? time_span : std::chrono::milliseconds(0)});
}

void Shard::look_at_watched(Connection& connection) {
    const auto facts = read_tcp_facts(connection.fd);
    if (!facts) return;
    const ListenerPolicy& policy = policy_of(connection);
    const Downlink* downlink = connection.downlink.get();
    WatchedFacts view{.facts = *facts,
                      .bytes_waiting = downlink != nullptr && downlink->waiting() > 0,
                      .stalled = {},
                      .plan_age = time().tick.since(policy.plan_since)};
    if (downlink != nullptr && downlink->stalled_since != Tick{})
        view.stalled = time().tick.since(downlink->stalled_since);
    const WatchVerdict verdict = judge_watch(view, policy);
    note_stall(connection, verdict == WatchVerdict::stalled);
    switch (verdict) {
        case WatchVerdict::well:
            connection.under_watch = false;
            connection.downlink.reset();
            break;
        case WatchVerdict::waiting:
        case WatchVerdict::stalled:
            break;
        case WatchVerdict::silent:
            end_by_silence(connection, facts->evidence, {});
            break;
        case WatchVerdict::stalled_out:
            close(connection,
                  Death{.reason = CloseReason::window_stalled, .error = 0, .detail = {}, .evidence = facts->evidence});
            break;
    }
}

/// Ahead of the kernel, which would have told of an ICMP by its errno: so it is asked for that first.
void Shard::end_by_silence(Connection& connection, const Evidence& evidence, std::string_view detail) {
    const int told = take_error(connection.fd);
    const int error = told != 0 ? told : ETIMEDOUT;
    const CloseReason reason = judge_close(error, IoPhase::read, evidence, policy_of(connection).plan.user_timeout);
    close(connection, Death{.reason = reason, .error = error, .detail = detail, .evidence = evidence});
}

/// Remembers since when the window is closed, and keeps the kernel from ending a stall that `write_stall` still allows.
void Shard::note_stall(Connection& connection, bool stalled) {
    if (!stalled && !connection.downlink) return;
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    const ListenerPolicy& policy = policy_of(connection);
    if (stalled && downlink.stalled_since == Tick{}) downlink.stalled_since = time().tick;
    if (!stalled) downlink.stalled_since = Tick{};
    if (stalled != downlink.user_timeout_raised && policy.outlasts_kernel()) {
        downlink.user_timeout_raised = stalled;
        set_user_timeout(connection.fd,
                         stalled ? *policy.write_stall + policy.plan.detect_within : policy.plan.user_timeout);
    }
}

}  // namespace holdfast
