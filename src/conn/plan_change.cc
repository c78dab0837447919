#include "conn/plan_change.h"

#include <algorithm>
#include <utility>

#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds between_slices{2};  // as in a probe of all connections; see probe_pace in walks.cc
constexpr milliseconds between_rounds{100};

}  // namespace

/// Sets the new options. Returns false if the connection has been quiet for too long. A connection that was probed and
/// silent for all the time that the new plan bears is gone: the new options may end it.
bool PlanChange::take_over(Connection& connection, const ListenerPolicy& policy, milliseconds probed_for) {
    const auto facts = read_tcp_facts(connection.fd);
    const milliseconds silence = facts ? facts->evidence.last_heard : milliseconds::max();
    const bool is_gone = std::min(silence, probed_for) >= policy.plan.detect_within;
    if (silence >= policy.plan.idle && !is_gone) return false;
    PlanExceptions exceptions{.keep_idle = connection.probe_forced, .user_timeout = {}, .rto_uncapped = false};
    if (const Downlink* downlink = connection.downlink.get()) {
        if (downlink->user_timeout_raised) exceptions.user_timeout = ListenerPolicy::raised_user_timeout;
        exceptions.rto_uncapped = downlink->rto_uncapped;
    }
    const bool same = change_plan(connection.fd, policy.plan, exceptions);
    ++(same ? tally_.changed : tally_.refused);
    return true;
}

void PlanChange::visit(Connection& connection, Token number, const ListenerPolicy& policy) {
    if (take_over(connection, policy, milliseconds(0))) return;
    ++tally_.probed;
    connection.under_watch = true;  // until the new options are set, the sweep keeps the new bound
    pending_.push_back({number, SteadyTime{}, SteadyTime{}});
}

bool PlanChange::check(Pending& pending, Registry& registry, const ListenerPolicy& policy, SteadyTime now,
                       const PolicyTable* table) {
    Connection* connection = registry.find(pending.number);
    if (connection == nullptr) {
        ++tally_.gone;
        return true;
    }
    if (table != nullptr && table->has_own(registry.slot_of(*connection))) return true;
    const bool was_probed = pending.first != SteadyTime{};
    const auto probed_for =
        std::chrono::floor<milliseconds>(was_probed ? now - pending.first : SteadyTime::duration(0));
    if (take_over(*connection, policy, probed_for)) return true;
    connection->under_watch = true;
    // The kernel counts unanswered probes in eight bits (icsk_probes_out), so they must become rare.
    const SteadyTime::duration spacing = std::max<SteadyTime::duration>(probe_spacing, (now - began_) / 16);
    if (now - pending.last >= spacing) {
        force_probe(connection->fd);
        pending.last = now;
        if (!was_probed) pending.first = now;
    }
    return false;
}

std::optional<SteadyTime> PlanChange::step(Registry& registry, const ListenerPolicy& policy, SteadyTime now,
                                           std::size_t limit, const PolicyTable* table) {
    for (; limit > 0 && next_ < pending_.size(); --limit, ++next_) {
        Pending pending = pending_[next_];
        if (!check(pending, registry, policy, now, table)) pending_[kept_++] = pending;
    }
    if (next_ < pending_.size()) return now + between_slices;
    pending_.resize(kept_);
    next_ = kept_ = 0;
    if (!all_visited_ || !pending_.empty()) return now + between_rounds;
    std::exchange(done_, nullptr)(tally_);
    return std::nullopt;
}

}  // namespace holdfast
