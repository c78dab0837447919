#include <algorithm>
#include <chrono>

#include "conn/liveness.h"
#include "conn/shard_pace.h"
#include "conn/sweeper.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

constexpr std::uint32_t watched_of_ring = 4;     // one check in this many probes, since it costs as much as a probe
constexpr std::size_t suspects_per_slice = 256;  // as many as a slice of a probe of all

}  // namespace

// The probe ring probes quiet connections in small groups, ahead of the kernel. The kernel's timers would probe all
// connections that fell silent in the same quarter of a second at once. A full queue would then drop most answers.

void Sweeper::probe_if_quiet(Connection& connection) {
    if (pass_probe_ring(connection, pace_.is_herd())) {
        probe_ahead(connection, ++probed_in_turn_ % watched_of_ring == 0);
    }
}

/// Probes a connection drawn at random, quiet or not, so that a partition shows within a second. Returns false if it
/// was probed in this round.
bool Sweeper::probe_as_canary(std::uint32_t slot) {
    Connection* connection = core_.registry.in_slot(slot);
    if (connection == nullptr || !take_as_canary(*connection)) return false;
    probe_ahead(*connection, true);
    return true;
}

void Sweeper::probe_ahead(Connection& connection, bool watched) {
    if (connection.probe_forced || connection.suspect || pending_.full()) return;
    const auto facts = read_tcp_facts(connection.fd);
    // The kernel already probes this connection, and the bound follows from the kernel's rhythm.
    if (!facts || facts->evidence.probes > 0 || facts->evidence.last_heard < probe_not_needed_within) return;
    force_probe(connection);
    core_.counters.asked_ahead.increment();
    pending_.add(core_.number_of(connection), core_.reactor.now(), facts->evidence.last_heard, watched);
}

void Sweeper::check_pending(PendingProbes::Pending pending) {
    Connection* connection = core_.registry.find(pending.number);
    if (connection == nullptr) return;
    const auto waited = std::chrono::floor<std::chrono::milliseconds>(core_.reactor.now() - pending.at);
    if (pending.check == 0) end_probing(*connection, pending.silence + waited);
    if (!core_.observations.wanted() || !pending.watched || connection->suspect) return;
    const auto facts = read_tcp_facts(connection->fd);
    if (!facts) return;
    const Evidence& evidence = facts->evidence;
    if (evidence.last_heard < waited + probe_not_needed_within / 2) {
        const auto took = std::max(waited - evidence.last_heard, std::chrono::milliseconds(0));
        return notice(*connection, Observation::Kind::answered, took);
    }
    if (!pending.overdue && core_.attended_part(waited) > 3 * evidence.rtt + std::chrono::milliseconds(200)) {
        pending.overdue = true;
        notice(*connection, Observation::Kind::overdue, evidence.last_heard);
    }
    pending_.check_again(pending);
}

/// Ends the forced probe. `silence` is exact if the peer has not answered. TCP_INFO is read only if the plan's first
/// probe is due.
void Sweeper::end_probing(Connection& connection, std::chrono::milliseconds silence) {
    const LivenessPlan& plan = core_.policy_of(connection).plan;
    if (silence >= plan.idle) {
        if (const auto facts = read_tcp_facts(connection.fd)) silence = facts->evidence.last_heard;
    }
    end_forced_probe(connection, plan, silence);
}

void Sweeper::notice(const Connection& connection, Observation::Kind kind, std::chrono::milliseconds time_span) {
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

void Sweeper::mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds probed_for) {
    if (!pace_.keeps_canaries()) return;  // suspicion was switched off
    for (const Token number : silent) {
        Connection* connection = core_.registry.find(number);
        if (connection == nullptr || connection->suspect || connection->is_opening()) continue;
        const auto facts = read_tcp_facts(connection->fd);
        if (!facts || facts->evidence.last_heard < probed_for || !was_probed(facts->evidence)) continue;
        suspects_.mark(*connection, number, core_.reactor.now());
        ListenerCounters& counters = core_.counters_of(*connection);
        counters.suspects.increment();
        counters.suspected.increment();
        notice(*connection, Observation::Kind::suspected, facts->evidence.last_heard);
    }
    if (!probes_suspects_) step_suspects();
}

/// Checks the suspects. The timer runs only while there are suspects, so that an idle gateway does not wake.
void Sweeper::step_suspects() {
    const auto again = suspects_.step(
        core_.registry, core_.policies, core_.reactor.now(), suspects_per_slice,
        [this](Connection& connection, const Evidence& evidence) { notice_answer_of_suspect(connection, evidence); });
    probes_suspects_ = again.has_value();
    if (again) core_.reactor.run_at(*again, [this] { step_suspects(); });
}

void Sweeper::notice_answer_of_suspect(Connection& connection, const Evidence& evidence) {
    ListenerCounters& counters = core_.counters_of(connection);
    counters.suspects.decrement();
    counters.recovered.increment();
    notice(connection, Observation::Kind::recovered, evidence.last_heard);
}

/// Ends the mark without an answer, because the connection is finalized or suspicion was switched off.
void Sweeper::end_suspicion(Connection& connection) {
    suspects_.unmark(connection, core_.number_of(connection));
    core_.counters_of(connection).suspects.decrement();
}

std::optional<WallTime> Sweeper::suspect_since(const Connection& connection) const {
    if (!connection.suspect) return std::nullopt;
    return core_.wall_of(suspects_.since(core_.number_of(connection)));
}

void Sweeper::keep_canaries(bool on) {
    pace_.keep_canaries(on);
    if (on) return;
    for (const Token number : suspects_.all()) {
        Connection* connection = core_.registry.find(number);
        if (connection == nullptr) continue;
        end_suspicion(*connection);
        if (const auto facts = read_tcp_facts(connection->fd)) {
            end_forced_probe(*connection, core_.policy_of(*connection).plan, facts->evidence.last_heard);
        }
        connection->under_watch = true;  // restores TCP_KEEPIDLE after an answer
    }
}

}  // namespace holdfast
