#include "conn/liveness.h"
#include "conn/shard.h"

namespace holdfast {

namespace {

constexpr std::size_t suspects_a_slice = 256;  // as for questions: probe_slice in shard.cc

}  // namespace

void Shard::mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds asked_for) {
    if (!pace_.keeps_canaries()) return;  // suspicion was switched off meanwhile
    for (const Token number : silent) {
        Connection* connection = registry_.find(number);
        if (connection == nullptr || connection->suspect || is_opening(*connection)) continue;
        const auto facts = read_tcp_facts(connection->fd);
        if (!facts || facts->evidence.last_heard < asked_for || !was_asked(facts->evidence)) continue;
        suspects_.mark(*connection, number, reactor_.now());
        ListenerCounters& counters = *listener_counters_[connection->listener];
        counters.suspects.increment();
        counters.suspected.increment();
        notice(*connection, Observation::Kind::suspected, facts->evidence.last_heard);
    }
    if (!probes_suspects_) step_suspects();
}

/// Runs on a timer of its own, and only while there are suspects: an idle gateway does not wake for them.
void Shard::step_suspects() {
    const auto again = suspects_.step(
        registry_, policies_, reactor_.now(), suspects_a_slice,
        [this](Connection& connection, const Evidence& evidence) { notice_answer_of_suspect(connection, evidence); });
    probes_suspects_ = again.has_value();
    if (again) reactor_.run_at(*again, [this] { step_suspects(); });
}

void Shard::notice_answer_of_suspect(Connection& connection, const Evidence& evidence) {
    ListenerCounters& counters = *listener_counters_[connection.listener];
    counters.suspects.decrement();
    counters.recovered.increment();
    notice(connection, Observation::Kind::recovered, evidence.last_heard);
}

/// Ends the mark without an answer: the connection ends, or suspicion was switched off.
void Shard::end_suspicion(Connection& connection) {
    suspects_.unmark(connection, registry_.number_of(connection));
    listener_counters_[connection.listener]->suspects.decrement();
}

std::optional<WallTime> Shard::suspect_since(const Connection& connection) const {
    if (!connection.suspect) return std::nullopt;
    const auto since = suspects_.since(registry_.number_of(connection)) - started_;
    return started_at_ + std::chrono::floor<WallTime::duration>(since);
}

void Shard::keep_canaries(bool on) {
    pace_.keep_canaries(on);
    if (on) return;
    for (const Token number : suspects_.all()) {
        Connection* connection = registry_.find(number);
        if (connection == nullptr) continue;
        end_suspicion(*connection);
        if (const auto facts = read_tcp_facts(connection->fd)) {
            end_forced_probe(*connection, policy_of(*connection).plan, facts->evidence.last_heard);
        }
        connection->under_watch = true;  // puts TCP_KEEPIDLE back when it answers
    }
}

}  // namespace holdfast
