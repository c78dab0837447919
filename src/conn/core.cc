#include "conn/core.h"

#include "conn/admission.h"
#include "conn/counters.h"
#include "tcp/tcp_info.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

milliseconds without(milliseconds span, std::chrono::nanoseconds missed) {
    return span - std::chrono::floor<milliseconds>(missed);
}

/// Returns the start of the time line, which goes on where an earlier process kept it.
SteadyTime start_of_ticks(KeptReactor& kept, SteadyTime now) {
    const SteadyTime kept_start{std::chrono::nanoseconds(kept.started_ns)};
    if (kept.started_ns > 0 && kept_start <= now) return kept_start;
    kept.started_ns = std::chrono::nanoseconds(now.time_since_epoch()).count();
    return now;
}

}  // namespace

Core::Core(Reactor& on, StreamHandler& events, Admission& limits, const ShardOptions& options)
    : reactor(on),
      handler(events),
      admission(limits),
      kept(options.kept.record != nullptr ? *options.kept.record : of_this_process),
      is_kept(options.kept.record != nullptr),
      kept_devices(options.kept.devices),
      adoption_marks(options.kept.marks),
      started(start_of_ticks(kept, on.now())),
      policies(options.policies),
      counters(options.kept.counters != nullptr ? *options.kept.counters : counters_of_this_process),
      observations(options.observed),
      registry(options.reactor, options.max_connections, options.kept.memory()),
      buffer(options.max_unfinished) {
    admission.add_reactor();
    for (std::size_t i = 0; i < policies.listeners(); ++i) listener_counters.push_back(options.kept.counters_of(i));
}

void Core::close(Connection& connection, CloseReason reason, std::string_view detail) {
    CloseInfo info{.reason = reason, .error = 0, .detail = detail, .evidence = {}};
    if (const auto facts = read_tcp_facts(connection.fd)) info.evidence = facts->evidence;
    close(connection, info);
}

void Core::close(Connection& connection, const CloseInfo& info) {
    if (connection.is_closing()) return;
    closed.push_back({&connection, info, connection.stage});
    connection.stage = Stage::closing;
}

void Core::drop_downlink(Connection& connection) {
    if (connection.downlink && connection.downlink->waiting() > 0) kept.owed.remove(number_of(connection));
    connection.downlink.reset();
}

CloseInfo Core::info_by_kernel(const Connection& connection, int error, IoPhase phase, std::string_view detail) const {
    CloseInfo info{.reason = CloseReason::internal_error, .error = error, .detail = detail, .evidence = {}};
    const TcpFacts facts = read_tcp_facts(connection.fd).value_or(TcpFacts{});
    info.evidence = facts.evidence;
    info.reason = classify_close(error, phase, facts, policy_of(connection).plan.user_timeout);
    return info;
}

void Core::close_by_kernel(Connection& connection, int error, IoPhase phase, std::string_view detail) {
    close(connection, info_by_kernel(connection, error, phase, detail));
}

WallTime Core::wall_of(SteadyTime at) const {
    wall_line_.follow(reactor.now(), reactor.wall_now());
    return wall_line_.at(at);
}

void Core::miss(SteadyTime until, std::chrono::nanoseconds length) {
    read_time.miss(until, length);
    if (length >= longest_busy_turn) thawed_time.miss(until, length);
}

milliseconds Core::attended_part(milliseconds span) const {
    return without(span, thawed_time.missed_since(reactor.now() - span));
}

milliseconds Core::read_since(Tick since) {
    return without(time().tick.since(since), read_time.missed_since(steady_of(since)));
}

void HistogramCounter::observe(std::chrono::milliseconds value) noexcept {
    const double seconds = std::chrono::duration<double>(value).count();
    std::size_t bucket = 0;
    while (bucket < duration_bounds_s.size() && seconds > duration_bounds_s[bucket]) ++bucket;
    counts_[bucket].increment();
    sum_ms_.add(static_cast<std::uint64_t>(value.count()));
}

void HistogramCounter::add_to(DurationHistogram& sum) const noexcept {
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        cumulative += counts_[i].get();
        sum.counts[i] += cumulative;
    }
    sum.sum_s += static_cast<double>(sum_ms_.get()) / 1000;
}

}  // namespace holdfast
