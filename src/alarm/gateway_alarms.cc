#include "alarm/gateway_alarms.h"

#include <algorithm>
#include <utility>

#include "alarm/explain.h"
#include "model/gateway_faults.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

namespace {

std::size_t population_of(const ServerStatus& status) {
    std::size_t population = 0;
    for (const ListenerStatus& listener : status.listeners) population += listener.connections;
    return population;
}

Alarm alarm_of(AlarmKind kind, const AlarmInput& input) {
    Alarm alarm;
    alarm.kind = kind;
    alarm.population_before = alarm.population_now = population_of(input.status);
    return alarm;
}

}  // namespace

bool SinkWatch::is_wrong(const SinkStatus& sink, Time now) {
    const std::uint64_t unwritten = sink.unwritten();
    const std::uint64_t written = sink.events - std::min(sink.events, unwritten);
    const bool stands = unwritten > 0 && written == written_;
    written_ = written;
    if (!stands) stands_since_.reset();
    if (stands && !stands_since_) stands_since_ = now;
    if (!sink.full) full_since_.reset();
    if (sink.full && !full_since_) full_since_ = now;
    return !sink.error.empty() || (stands && now - *stands_since_ >= timeout) ||
           (sink.full && now - *full_since_ >= timeout);
}

bool SinkWatch::forwarding_is_wrong(const SinkStatus& sink, Time now) {
    const bool fails = sink.nats && !sink.nats->error.empty();
    if (!fails) failing_since_.reset();
    if (fails && !failing_since_) failing_since_ = now;
    if (!sink.nats) return false;
    return (fails && now - *failing_since_ >= timeout) || sink.nats->lag >= max_lag;
}

void SinkWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const SinkStatus& sink = input.sink;
    sink_is_wrong_ = is_wrong(sink, input.now);
    const bool wrong = forwarding_is_wrong(sink, input.now) || sink_is_wrong_;
    if (!episode_.active() && !wrong) return;
    if (!episode_.active()) {
        Alarm alarm = alarm_of(AlarmKind::sink_lag, input);
        explain(alarm, sink);
        episode_.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(book);
    alarm.population_now = population_of(input.status);
    if (wrong) explain(alarm, sink);
    // A full sink recovers in steps: it must stay below full for a while.
    const bool uneasy = sink.full || stands_since_ || failing_since_;
    episode_.see(book, input.now, !wrong && !uneasy, works_for);
}

void SinkWatch::explain(Alarm& alarm, const SinkStatus& sink) const {
    if (!sink_is_wrong_ && sink.nats) {
        explain_forwarding(alarm, *sink.nats);
        return;
    }
    alarm.count = sink.unwritten();
    alarm.summary = with_commas(alarm.count) + " events wait for the sink: ";
    if (!sink.error.empty()) {
        alarm.summary += printable(sink.error);
        alarm.cause = as_cause(sink_fault_text(sink.error));
        alarm.advice =
            "Fix the named cause (space, rights, the reader of a pipe); events wait until then and none is lost.";
        return;
    }
    alarm.summary += sink.full ? "the sink is full, and devices wait" : "the sink writes none";
    alarm.cause = "The reader of the sink is slower than the devices, or hangs.";
    alarm.advice =
        "Check the reader of the pipe or the disk of the file; the gateway reads from devices again as soon as it "
        "continues.";
}

void SinkWatch::explain_forwarding(Alarm& alarm, const ForwarderStatus& nats) {
    alarm.count = nats.lag_events;
    alarm.summary = with_commas(nats.lag_events) + " events wait in the spool for NATS";
    if (nats.lag.count() > 0) {
        alarm.summary += ", the oldest for " + format_duration(std::chrono::floor<std::chrono::seconds>(nats.lag));
    }
    if (!nats.error.empty()) {
        alarm.summary += ": " + printable(nats.error);
        alarm.cause = "Events do not reach NATS: " + printable(nats.error) + ".";
    } else {
        alarm.cause = "NATS accepts events more slowly than they arrive, or has just returned.";
    }
    alarm.advice =
        "Devices are served and no event is lost, but the spool grows. Repair NATS, and watch the spool's disk. "
        "For more events a second set batch = 256 in [sink].";
}

void DriftWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    if (input.reconciled == nullptr || seen_ == input.reconciled->at) return;
    const Reconciliation& reconciled = *input.reconciled;
    seen_ = reconciled.at;
    failures_ = reconciled.error.empty() ? 0 : failures_ + 1;
    const bool wrong = reconciled.error.empty() ? reconciled.drift() > 0 : failures_ >= 2;
    if (wrong && !episode_.active()) {
        Alarm alarm = alarm_of(AlarmKind::registry_drift, input);
        explain(alarm, reconciled);
        episode_.raise(book, std::move(alarm));
    } else if (wrong) {
        explain(episode_.alarm(book), reconciled);
    } else if (reconciled.error.empty()) {
        episode_.end(book);
    }
}

void DriftWatch::explain(Alarm& alarm, const Reconciliation& reconciled) {
    alarm.count = reconciled.drift();
    alarm.took = reconciled.took;
    if (!reconciled.error.empty()) {
        alarm.summary = "registry and kernel could not be compared: " + printable(reconciled.error);
        alarm.cause = "Reading the kernel's socket table failed twice in a row.";
        alarm.advice = "Check that sock_diag is allowed here (a seccomp filter, a container without the module).";
        return;
    }
    alarm.summary = with_commas(reconciled.registry) + " connections in the registry, " +
                    with_commas(reconciled.kernel) + " sockets in the kernel: " + with_commas(reconciled.ghosts) +
                    " ghosts, " + with_commas(reconciled.orphans) + " orphans, " +
                    with_commas(reconciled.stuck_close_wait) + " stuck in CLOSE_WAIT";
    const bool only_stuck = reconciled.ghosts + reconciled.orphans == 0;
    alarm.cause =
        only_stuck ? "Peers have closed and the gateway has not ended their connections: their last bytes were not "
                     "read, or a defect."
                   : "The registry and the kernel disagree about which connections there are: a defect of the gateway.";
    alarm.advice =
        only_stuck
            ? "See whether the sink is full (reading pauses then); otherwise report the examples of /v1/reconciliation."
            : "See whether the sink is full (a reset then waits to be read); otherwise report the examples of "
              "/v1/reconciliation with the log.";
}

void BufferWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const bool wrong = input.status.buffer_stage > 0;
    if (!wrong && !episode_.active()) return;
    if (!episode_.active()) {
        Alarm alarm = alarm_of(AlarmKind::buffer_pressure, input);
        explain(alarm, input.status);
        episode_.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(book);
    alarm.population_now = population_of(input.status);
    if (wrong) explain(alarm, input.status);
    episode_.see(book, input.now, !wrong, plenty_for);
}

void BufferWatch::explain(Alarm& alarm, const ServerStatus& status) {
    alarm.count = status.buffer_bytes;
    alarm.summary = with_commas(status.buffer_bytes) + " of " + with_commas(status.buffer_budget) +
                    " bytes for buffers are in use: ";
    alarm.summary += status.buffer_stage == 1   ? "reading of the largest unfinished items is paused"
                     : status.buffer_stage == 2 ? "memory runs short, and connections will be shed"
                                                : "the sources that hold most memory are shed";
    alarm.cause = "Many devices have sent incomplete large items, or do not read what is sent to them.";
    alarm.advice =
        "See holdfast closed --reason shed for the peers; lower max_bytes in [item] or downlink_queue, or raise "
        "buffer_budget in [limits] if the machine has the memory.";
}

void LinkWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const bool wrong = !input.links.empty();
    if (!wrong && !episode_.active()) return;
    if (!episode_.active()) {
        Alarm alarm = alarm_of(AlarmKind::link_down, input);
        explain(alarm, input);
        episode_.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(book);
    alarm.population_now = population_of(input.status);
    if (wrong) explain(alarm, input);
    episode_.see(book, input.now, !wrong, works_for);
}

void LinkWatch::explain(Alarm& alarm, const AlarmInput& input) {
    const LinkOutage& worst =
        *std::max_element(input.links.begin(), input.links.end(),
                          [](const LinkOutage& a, const LinkOutage& b) { return a.percent < b.percent; });
    alarm.count = population_of(input.status) * worst.percent / 100;
    alarm.summary = "the gateway's own link: " + in_words(input.links) + "; " + std::to_string(worst.percent) +
                    " % of the peers are behind it";
    alarm.cause = "The interface " + worst.interface + " of this host " + worst.why +
                  ", so that its peers are unreachable; neither the devices nor their networks have failed.";
    alarm.advice = "Check ip link show dev " + worst.interface +
                   " and ip route, then the cable, the switch port or the virtual link. Connections are held until "
                   "detect_within is over.";
}

void DuplicateWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const std::vector<DuplicateDevice>& duplicates = input.status.duplicates;
    if (duplicates.empty()) return episode_.end(book);
    std::size_t population = 0;
    for (const ListenerStatus& listener : input.status.listeners) population += listener.connections;
    if (!episode_.active()) {
        Alarm alarm;
        alarm.kind = AlarmKind::duplicate_device;
        alarm.population_before = population;
        explain(alarm, duplicates);
        episode_.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(book);
    alarm.population_now = population;
    explain(alarm, duplicates);
}

void DuplicateWatch::explain(Alarm& alarm, const std::vector<DuplicateDevice>& duplicates) {
    constexpr std::size_t max_named = 5;
    alarm.count = duplicates.size();
    const bool are_more = duplicates.size() >= max_duplicates;  // the others have no room in the status
    alarm.summary = (are_more ? "at least " : "") + with_commas(duplicates.size()) +
                    (duplicates.size() == 1 ? " id is" : " ids are") + " used by several devices: ";
    for (std::size_t i = 0; i < std::min(duplicates.size(), max_named); ++i) {
        const DuplicateDevice& one = duplicates[i];
        alarm.summary += (i == 0 ? "" : "; ") + in_quotes(one.id) + " at " + to_string(one.holder) + " and " +
                         to_string(one.claimant) + ", " + with_commas(one.takeovers) + " takeovers";
    }
    if (duplicates.size() > max_named) alarm.summary += "; ...";
    alarm.cause =
        "Each device reconnects as soon as the other has superseded it: their configuration was cloned, or "
        "one of them is an impostor.";
    alarm.advice =
        "Give each device its own id, and require tokens or certificates if one of them is an impostor. Until then "
        "takeovers of such an id are delayed by up to 10 s.";
}

void RestartWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    if (!input.status.takeover) return;
    if (!std::exchange(was_raised_, true)) {
        Alarm alarm = alarm_of(AlarmKind::worker_restarted, input);
        explain(alarm, *input.status.takeover);
        episode_.raise(book, std::move(alarm));
    }
    if (!episode_.active()) return;
    episode_.alarm(book).population_now = population_of(input.status);
    episode_.see(book, input.now, true, lasts);
}

void RestartWatch::explain(Alarm& alarm, const Takeover& takeover) {
    alarm.count = takeover.closed;
    alarm.took = takeover.downtime;
    alarm.summary = takeover_text(takeover);
    alarm.cause =
        "The gateway's worker process ended unexpectedly: the keeper's line \"worker crashed\" in the log says by "
        "what.";
    alarm.advice =
        "Report a defect with the log, and with the core if there is one. A worker that the kernel ended for memory "
        "needs lower limits or more memory. Too many crashes in a minute close all connections.";
}

}  // namespace holdfast
