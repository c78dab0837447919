#include "conn/walks.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

// Number of probes whose packets and answers fit into the receive queue of loopback and veth (1,000 packets).
constexpr std::uint32_t probe_slice = 256;
constexpr Walks::Pace probe_pace{probe_slice, milliseconds(2)};
constexpr Walks::Pace plan_pace{512, milliseconds(0)};

// A round trip is rarely shorter than the first pause between two checks, and deadlines are long.
constexpr milliseconds first_ack_pause{1};
constexpr milliseconds longest_ack_pause{50};

}  // namespace

void Walks::walk(Visit visit, std::function<void()> done, Pace pace) {
    if (core_.stopped) return done();
    walks_.push_back({.visit = std::move(visit), .done = std::move(done), .pace = pace});
}

bool Walks::is_due(const Walk& walk) const { return core_.stopped || walk.next_slice <= core_.reactor.now(); }

bool Walks::is_due() const {
    return std::any_of(walks_.begin(), walks_.end(), [this](const Walk& walk) { return is_due(walk); });
}

void Walks::step() {
    if (walks_.empty()) return;
    const TimeShare share = core_.reactor.share_from_now();
    bool has_made_slice = false;
    for (std::size_t left = walks_.size(); left > 0 && !(has_made_slice && share.is_spent()); --left) {
        walks_.splice(walks_.end(), walks_, walks_.begin());
        const auto walk = std::prev(walks_.end());
        if (!is_due(*walk)) continue;
        has_made_slice = true;
        if (!make_slice(*walk)) continue;
        const auto done = std::move(walk->done);
        walks_.erase(walk);
        done();
    }
}

std::uint32_t Walks::slots_of_slice(const Walk& walk) const {
    if (walk.pace.pause == milliseconds(0)) return walk.pace.slots;
    const auto sharing =
        std::count_if(walks_.begin(), walks_.end(), [](const Walk& each) { return each.pace.pause > milliseconds(0); });
    return std::max(walk.pace.slots / static_cast<std::uint32_t>(sharing), 1U);
}

/// Returns true after the last slice.
bool Walks::make_slice(Walk& walk) {
    for (std::uint32_t left = slots_of_slice(walk); left > 0 && walk.next_slot <= core_.registry.highest_slot();
         --left) {
        if (Connection* connection = core_.registry.in_slot(walk.next_slot++)) walk.visit(*connection);
    }
    if (walk.next_slot > core_.registry.highest_slot()) return true;
    walk.next_slice = core_.reactor.now() + walk.pace.pause;
    if (walk.pace.pause > milliseconds(0)) core_.reactor.run_at(walk.next_slice, [] {});
    return false;
}

ProbeRun::Done Walks::counted(ProbeRun::Done done) {
    return [this, report = std::move(done)](ProbeFindings findings) {
        core_.counters.probes_alive.add(findings.alive);
        core_.counters.probes_silent.add(findings.silent.size());
        report(std::move(findings));
    };
}

void Walks::probe(Connection& connection, milliseconds timeout, ProbeRun::Done done) {
    ProbeRun& run = probes_.emplace_back(timeout, ProbeRun::JustHeard::is_alive, counted(std::move(done)));
    run.probe(connection, core_.number_of(connection), core_.policy_of(connection).plan, core_.reactor.now());
    run.all_probed();
    step_probe(run);
}

void Walks::probe_all(std::function<bool(const Connection&)> wanted, milliseconds timeout,
                      ProbeRun::JustHeard just_heard, ProbeRun::Done done) {
    ProbeRun& run = probes_.emplace_back(timeout, just_heard, counted(std::move(done)));
    walk(
        [this, &run, wanted = std::move(wanted)](Connection& connection) {
            if (!wanted(connection)) return;
            run.probe(connection, core_.number_of(connection), core_.policy_of(connection).plan, core_.reactor.now());
        },
        [&run] { run.all_probed(); }, probe_pace);
    step_probe(run);
}

void Walks::step_probe(ProbeRun& run) {
    const auto again = run.step(core_.registry, core_.policies, core_.reactor.now(), probe_slice);
    if (again) {
        core_.reactor.run_at(*again, [this, &run] { step_probe(run); });
    } else {
        probes_.remove_if([&run](const ProbeRun& other) { return &other == &run; });
    }
}

void Walks::change_plan_of(std::uint8_t listener, PlanChange::Done in_force) {
    const auto change = std::make_shared<PlanChange>(core_.reactor.attended(), std::move(in_force));
    plan_changes_[listener] = change;
    walk(
        [this, change, listener](Connection& connection) {
            const bool has_own = core_.policies.has_own(core_.registry.slot_of(connection));
            if (connection.listener == listener && !has_own && plan_changes_[listener] == change)
                change->visit(connection, core_.number_of(connection), core_.policies.of_listener(listener));
        },
        [this, change, listener] {
            change->all_visited();
            step_plan_change(change, listener);
        },
        plan_pace);
}

void Walks::step_plan_change(const std::shared_ptr<PlanChange>& change, std::uint8_t listener) {
    if (core_.stopped || plan_changes_[listener] != change) return;
    const auto again = change->step(core_.registry, core_.policies.of_listener(listener), core_.reactor.attended(),
                                    std::size_t{probe_slice}, &core_.policies);
    if (!again) {
        plan_changes_.erase(listener);
        return;
    }
    core_.reactor.run_at_attended(*again, [this, change, listener] { step_plan_change(change, listener); });
}

void Walks::change_plan_of(Connection& connection) {
    const auto change = std::make_shared<PlanChange>(core_.reactor.attended(), [](const PlanTally&) {});
    const Token number = core_.number_of(connection);
    change->visit(connection, number, core_.policy_of(connection));
    change->all_visited();
    step_plan_change(change, number);
}

void Walks::step_plan_change(const std::shared_ptr<PlanChange>& change, Token number) {
    const Connection* const connection = core_.registry.find(number);
    if (core_.stopped || connection == nullptr) return;
    const auto again = change->step(core_.registry, core_.policy_of(*connection), core_.reactor.attended(), 1);
    if (again) core_.reactor.run_at_attended(*again, [this, change, number] { step_plan_change(change, number); });
}

void Walks::when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool)> done) {
    const Connection* connection = core_.registry.find(number);
    if (connection == nullptr) return done(false);
    const std::uint64_t waiting = connection->downlink ? connection->downlink->waiting() : 0;
    check_acknowledged(ack_waits_.insert(ack_waits_.end(), {.number = number,
                                                            .bytes = connection->bytes_out + waiting,
                                                            .deadline = deadline,
                                                            .pause = first_ack_pause,
                                                            .done = std::move(done)}));
}

void Walks::check_acknowledged(std::list<AckWait>::iterator wait) {
    const Connection* connection = core_.registry.find(wait->number);
    const auto facts = connection == nullptr ? std::nullopt : read_tcp_facts(connection->fd);
    const bool acknowledged = facts && connection->bytes_out >= wait->bytes + facts->evidence.unacked_bytes;
    if (!facts || acknowledged || core_.reactor.now() >= wait->deadline) {
        const auto done = std::move(wait->done);
        ack_waits_.erase(wait);
        return done(acknowledged);
    }
    core_.reactor.run_at(std::min(core_.reactor.now() + wait->pause, wait->deadline),
                         [this, wait] { check_acknowledged(wait); });
    wait->pause = std::min(2 * wait->pause, longest_ack_pause);
}

void Walks::end_all() {
    while (!walks_.empty()) step();
    for (ProbeRun& run : probes_) run.give_up(core_.registry, core_.policies, core_.reactor.now());
    for (const AckWait& wait : ack_waits_) wait.done(false);
}

}  // namespace holdfast
