#include "conn/liveness.h"
#include "conn/shard.h"

namespace holdfast {

// Deadlines on what a peer does (docs/explanation/liveness.md, "Pauses"): they run while the gateway reads the peer,
// and none ends a connection before the bytes that wait in the kernel have been read.

/// `times`: of the deadline. Twice is for peers whose bytes never end.
std::optional<Shard::Overdue> Shard::find_overdue(const Connection& connection, int times) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    const Tick from = std::max(policy.deadlines_since, core_.resumed_reads.since(core_.number_of(connection)));
    const Tick item = std::max(connection.last_item, from);
    if (policy.authenticates && !connection.named && !is_opening(connection) &&
        core_.read_since(connection.last_item) > times * ListenerPolicy::name_deadline) {
        return Overdue{CloseReason::unauthenticated, "no hello with a token came within 10 s"};
    }
    DeadlineView view{.since_item = core_.time().tick.since(item), .item_age = {}, .times = times};
    if (connection.unfinished) view.item_age = core_.time().tick.since(std::max(connection.unfinished->began, from));
    if (!judge_deadlines(view, policy)) return std::nullopt;  // for most, without a look at the absences
    view.since_item = core_.read_since(item);
    if (connection.unfinished) view.item_age = core_.read_since(std::max(connection.unfinished->began, from));
    const auto reason = judge_deadlines(view, policy);
    if (!reason) return std::nullopt;
    const bool is_item = *reason == CloseReason::item_deadline;
    return Overdue{*reason, is_item ? core_.handler.why_unfinished(connection) : std::string_view()};
}

/// Reads instead of judging while bytes wait in the kernel or in the TLS session.
void Shard::judge(Connection& connection) {
    if (paused_ || connection.held || connection.throttled || !find_overdue(connection, 1)) return;
    read(connection, ReadUntil::end);
    if (connection.dying || paused_ || connection.held || connection.throttled) return;
    const auto overdue = find_overdue(connection, connection.read_again ? 2 : 1);
    if (overdue) core_.close(connection, overdue->reason, overdue->detail);
}

}  // namespace holdfast
