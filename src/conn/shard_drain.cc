#include "conn/shard.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds between_steps{5};  // ends that are due closer together are one step
constexpr std::uint32_t most_a_step = 256;             // the rest of a late drain comes in the next

}  // namespace

void Shard::drain_over(DrainTask task) {
    const auto run = std::make_shared<DrainRun>(std::move(task));
    if (core_.stop_deadline) return;
    walks_.walk(
        [this, run](Connection& connection) {
            // One that is not open yet has only just come, and its peer may not be known.
            if (!is_opening(connection) && run->wanted(connection)) run->add(core_.number_of(connection));
        },
        [this, run] {
            run->all_added();
            step_drain(run);
        });
}

void Shard::step_drain(const std::shared_ptr<DrainRun>& run) {
    if (core_.stop_deadline || run->cancelled()) return;
    const SteadyTime now = core_.reactor.now();
    const TimeShare share = core_.reactor.share_from_now();
    for (std::uint32_t left = most_a_step; left > 0 && !share.is_spent(); --left) {
        const auto number = run->due(now);
        if (!number) break;
        Connection* connection = core_.registry.find(*number);
        if (connection != nullptr && !take_for_drain(*connection, *run)) {
            if (paused_) break;
            run->put_off();
            continue;
        }
        const bool there = connection != nullptr && !connection->dying && !connection->parting;
        if (there) end_in_drain(*connection, run);
        run->done(there);
    }
    const auto next = run->next();
    if (!next) return;
    core_.reactor.run_at(std::max(*next, now + between_steps), [this, run] { step_drain(run); });
}

/// Reads what has arrived; it may die of that. False: there is more, and time for it.
bool Shard::take_for_drain(Connection& connection, const DrainRun& run) {
    const auto missed = core_.reactor.attended_time().missed_since(run.began());
    if (core_.reactor.now() >= run.deadline() + missed) return true;
    read(connection, ReadUntil::end);
    return connection.dying || !(connection.read_again || connection.throttled || connection.held);
}

void Shard::end_in_drain(Connection& connection, const std::shared_ptr<DrainRun>& run) {
    end_hold(connection);
    if (connection.dying) return;
    const std::string goodbye = run->goodbye(connection, core_.reactor.now());
    if (!goodbye.empty()) static_cast<void>(send(connection, goodbye));
    part(connection, CloseReason::drained, "an operator drains the gateway",
         core_.reactor.attended_time().at(run->deadline()), run);
}

}  // namespace holdfast
