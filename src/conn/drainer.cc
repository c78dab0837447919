#include "conn/drainer.h"

#include <algorithm>
#include <utility>

#include "conn/receiver.h"
#include "conn/sender.h"
#include "conn/walks.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds between_steps{5};  // ends that are due within it share one step
constexpr std::uint32_t max_ends_per_step = 256;       // a late drain continues in the next step
constexpr std::uint32_t ends_per_turn = 1'024;
constexpr std::uint32_t removed_slice = 1'024;  // slots per turn

}  // namespace

void Drainer::drain_over(DrainTask task) {
    const auto run = std::make_shared<DrainRun>(std::move(task));
    if (core_.stop_deadline) return;
    walks_.walk(
        [this, run](Connection& connection) {
            // Connections in the preamble are new, and their peer may still be unknown.
            if (!connection.is_opening() && run->wanted(connection)) run->add(core_.number_of(connection));
        },
        [this, run] {
            run->all_added();
            step_drain(run);
        });
}

void Drainer::step_drain(const std::shared_ptr<DrainRun>& run) {
    if (core_.stop_deadline || run->cancelled()) return;
    const SteadyTime now = core_.reactor.now();
    const TimeShare share = core_.reactor.share_from_now();
    for (std::uint32_t left = max_ends_per_step; left > 0 && !share.is_spent(); --left) {
        const auto number = run->due(now);
        if (!number) break;
        Connection* connection = core_.registry.find(*number);
        if (connection != nullptr && !is_read_for_drain(*connection, *run)) {
            if (receiver_.is_paused()) break;
            run->put_off();
            continue;
        }
        const bool is_there = connection != nullptr && !connection->is_closing() && !connection->parting;
        if (is_there) end_in_drain(*connection, run);
        run->done(is_there);
    }
    const auto next = run->next();
    if (!next) return;
    core_.reactor.run_at(std::max(*next, now + between_steps), [this, run] { step_drain(run); });
}

/// Reads what has arrived, which may close the connection. Returns false if more may arrive before the deadline.
bool Drainer::is_read_for_drain(Connection& connection, const DrainRun& run) {
    const auto missed = core_.reactor.attended_time().missed_since(run.began());
    if (core_.reactor.now() >= run.deadline() + missed) return true;
    receiver_.read(connection, ReadUntil::end);
    return connection.is_closing() || !(connection.read_again || connection.throttled || connection.is_paused());
}

void Drainer::end_in_drain(Connection& connection, const std::shared_ptr<DrainRun>& run) {
    end_hold(connection);
    if (connection.is_closing()) return;
    const std::string goodbye = run->goodbye(connection, core_.reactor.now());
    if (!goodbye.empty()) static_cast<void>(sender_.send(connection, goodbye));
    part(connection, {.reason = CloseReason::drained, .detail = "an operator drained the gateway", .evidence = {}},
         core_.reactor.attended_time().at(run->deadline()), run);
}

void Drainer::stop(StopTask task) {
    const SteadyTime deadline = core_.reactor.attended_time().at(task.deadline);
    if (core_.stop_deadline) {
        core_.stop_deadline = std::min(*core_.stop_deadline, deadline);
        return;
    }
    core_.reactor.run_at(task.deadline, [] {});  // wakes the reactor; step_stop() checks the time
    core_.stop_deadline = deadline;
    stop_ = std::move(task);
}

void Drainer::step() {
    step_removed();
    if (core_.stop_deadline) step_stop();
}

/// Visits the slots in a circle, so that connections with endless input do not delay the others.
void Drainer::step_stop() {
    const bool late = core_.reactor.has_passed(*core_.stop_deadline);
    if (!late && core_.registry.size() == core_.partings.size()) return;
    const TimeShare share = core_.reactor.share_from_now();
    const std::uint32_t slots = core_.registry.highest_slot();
    std::uint32_t budget = ends_per_turn;
    for (std::uint32_t left = slots; left > 0 && budget > 0; --left) {
        stop_slot_ = stop_slot_ >= slots ? 1 : stop_slot_ + 1;
        Connection* connection = core_.registry.in_slot(stop_slot_);
        if (connection == nullptr) continue;
        --budget;
        if (late) {
            core_.close(*connection, CloseReason::shutdown);
        } else if (!connection->parting) {
            receiver_.read(*connection, ReadUntil::end);
            if (receiver_.is_paused()) return;
            if (!connection->read_again) end_in_stop(*connection);
        }
        if (share.is_spent()) return;
    }
}

/// Ends a connection after everything that arrived so far was read.
void Drainer::end_in_stop(Connection& connection) {
    end_hold(connection);
    if (connection.is_closing()) return;
    const bool is_unauthenticated = core_.is_unauthenticated(connection);
    if (stop_.goodbye && !connection.is_paused() && !connection.peer_ended && !is_unauthenticated) {
        const std::string goodbye = stop_.goodbye(connection, retry_after(stop_, stop_.told++));
        static_cast<void>(sender_.send(connection, goodbye));
    }
    part(connection, {.reason = CloseReason::shutdown, .detail = {}, .evidence = {}}, *core_.stop_deadline);
}

void Drainer::remove_listener(std::uint8_t number, SteadyTime deadline) {
    removed_.push_back({number, core_.reactor.attended_time().at(deadline)});
    core_.reactor.run_at(deadline, [] {});  // wakes the reactor; step_removed() checks the time
}

void Drainer::keep_listener(std::uint8_t number) {
    std::erase_if(removed_, [number](const Removed& removed) { return removed.number == number; });
}

void Drainer::step_removed() {
    if (removed_.empty()) return;
    const TimeShare share = core_.reactor.share_from_now();
    const std::uint32_t slots = core_.registry.highest_slot();
    for (std::uint32_t left = std::min(removed_slice, slots); left > 0 && !share.is_spent(); --left) {
        removed_slot_ = removed_slot_ >= slots ? 1 : removed_slot_ + 1;
        if (Connection* connection = core_.registry.in_slot(removed_slot_)) end_if_removed(*connection);
    }
}

/// Delivers what has arrived, then ends the connection.
void Drainer::end_if_removed(Connection& connection) {
    const auto found = std::find_if(removed_.begin(), removed_.end(),
                                    [&](const Removed& removed) { return removed.number == connection.listener; });
    if (found == removed_.end()) return;
    constexpr std::string_view detail = "the listener was removed from the configuration";
    if (core_.reactor.has_passed(found->deadline)) return core_.close(connection, CloseReason::drained, detail);
    if (connection.parting) return;
    receiver_.read(connection, ReadUntil::end);
    if (connection.read_again) return;  // more bytes wait, or the handler is not ready
    part(connection, {.reason = CloseReason::drained, .detail = detail, .evidence = {}}, found->deadline);
}

void Drainer::forget_removed() {
    std::erase_if(removed_,
                  [this](const Removed& removed) { return core_.listener_counters[removed.number]->held() == 0; });
}

/// Returns true if connections remain after their deadline.
bool Drainer::has_late() const {
    const bool is_stopping = core_.stop_deadline && !core_.stopped && core_.registry.size() > 0;
    if (is_stopping && core_.reactor.has_passed(*core_.stop_deadline)) return true;
    return std::any_of(removed_.begin(), removed_.end(), [this](const Removed& removed) {
        return core_.reactor.has_passed(removed.deadline) && core_.listener_counters[removed.number]->held() > 0;
    });
}

bool Drainer::is_due() const {
    if (has_late()) return true;
    if (receiver_.is_paused()) return false;
    if (core_.stop_deadline && !core_.stopped && core_.registry.size() > core_.partings.size()) return true;
    return std::any_of(removed_.begin(), removed_.end(), [this](const Removed& removed) {
        return core_.listener_counters[removed.number]->held() > core_.partings.size_of(removed.number);
    });
}

}  // namespace holdfast
