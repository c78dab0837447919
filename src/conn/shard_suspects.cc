#include "conn/liveness.h"
#include "conn/shard.h"

namespace holdfast {

namespace {

constexpr std::size_t suspects_a_slice = 256;  // as for questions: probe_slice in shard.cc

}  // namespace

void Shard::mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds asked_for) {
    if (!pace_.keeps_canaries()) return;  // suspicion was switched off meanwhile
    for (const Token number : silent) {
        Connection* connection = core_.registry.find(number);
        if (connection == nullptr || connection->suspect || is_opening(*connection)) continue;
        const auto facts = read_tcp_facts(connection->fd);
        if (!facts || facts->evidence.last_heard < asked_for || !was_asked(facts->evidence)) continue;
        suspects_.mark(*connection, number, core_.reactor.now());
        ListenerCounters& counters = *core_.listener_counters[connection->listener];
        counters.suspects.increment();
        counters.suspected.increment();
        notice(*connection, Observation::Kind::suspected, facts->evidence.last_heard);
    }
    if (!probes_suspects_) step_suspects();
}

/// Runs on a timer of its own, and only while there are suspects: an idle gateway does not wake for them.
void Shard::step_suspects() {
    const auto again = suspects_.step(
        core_.registry, core_.policies, core_.reactor.now(), suspects_a_slice,
        [this](Connection& connection, const Evidence& evidence) { notice_answer_of_suspect(connection, evidence); });
    probes_suspects_ = again.has_value();
    if (again) core_.reactor.run_at(*again, [this] { step_suspects(); });
}

void Shard::notice_answer_of_suspect(Connection& connection, const Evidence& evidence) {
    ListenerCounters& counters = core_.counters_of(connection);
    counters.suspects.decrement();
    counters.recovered.increment();
    notice(connection, Observation::Kind::recovered, evidence.last_heard);
}

/// Ends the mark without an answer: the connection ends, or suspicion was switched off.
void Shard::end_suspicion(Connection& connection) {
    suspects_.unmark(connection, core_.number_of(connection));
    core_.counters_of(connection).suspects.decrement();
}

std::optional<WallTime> Shard::suspect_since(const Connection& connection) const {
    if (!connection.suspect) return std::nullopt;
    const auto since = suspects_.since(core_.number_of(connection)) - core_.started;
    return core_.started_at + std::chrono::floor<WallTime::duration>(since);
}

void Shard::keep_canaries(bool on) {
    pace_.keep_canaries(on);
    if (on) return;
    for (const Token number : suspects_.all()) {
        Connection* connection = core_.registry.find(number);
        if (connection == nullptr) continue;
        end_suspicion(*connection);
        if (const auto facts = read_tcp_facts(connection->fd)) {
            end_forced_probe(*connection, core_.policy_of(*connection).plan, facts->evidence.last_heard);
        }
        connection->under_watch = true;  // puts TCP_KEEPIDLE back when it answers
    }
}

}  // namespace holdfast
