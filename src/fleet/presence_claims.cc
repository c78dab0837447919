#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "fleet/presence.h"

namespace holdfast {

// Claims of this gateway's connections on devices that are elsewhere; docs/explanation/fleet.md.

/// Returns when a connection was established, by our clock, or a later time. Returns WallTime::min() if that is
/// unknown. A gateway's clock may be wrong, and a record may arrive late. The earlier of both times is used, so that a
/// connection of ours does not count as the older one by mistake.
WallTime Presence::to_our_time(const PresenceRecord& record) const {
    if (record.accepted == WallTime{}) return WallTime::min();
    if (record.gateway == self_) return record.accepted;
    const auto clock = clocks_.find(record.gateway);
    // The first beat may be an old one from the start of a watch.
    if (clock == clocks_.end() || clock->second.latest.size() < 2) return WallTime::min();
    const auto& latest = clock->second.latest;
    return std::min(record.accepted + *std::min_element(latest.begin(), latest.end()), wall_now_);
}

void Presence::heard_clock(const std::string& gateway, std::uint32_t run, WallTime its, WallTime ours) {
    constexpr std::size_t kept = 5;
    ClockOffset& clock = clocks_[gateway];
    if (clock.run != run) clock = {.run = run};
    clock.latest.push_back(ours - its);
    if (clock.latest.size() > kept) clock.latest.pop_front();
}

/// Returns how much later than the other gateway's connection ours was established, or nullopt if that is unknown.
std::optional<WallTime::duration> Presence::lead_over(const Entry& entry, const HeldDevice& held) const {
    if (held.accepted == WallTime{} || entry.accepted == WallTime{}) return std::nullopt;
    return held.accepted - (entry.accepted_here == WallTime::min() ? entry.accepted : entry.accepted_here);
}

/// Returns true if the connection that holds the device was established after ours. A fresh claim follows the record
/// that is known here, so it is late only by more than the clocks' error.
bool Presence::is_late(const Entry& entry, const Waiting& claim) const {
    const auto lead = lead_over(entry, claim.held);
    if (!lead) return false;
    if (*lead < -clock_error && entry.accepted_here != WallTime::min()) return true;
    const auto none = WallTime::duration(0);
    return claim.claim != Claim::fresh && std::tie(*lead, self_) < std::tie(none, names_.text(entry.gateway));
}

/// Ends the claim if the other connection persists for some time, since that one may already have ended.
void Presence::wait_or_give_up(const std::string& id, const Waiting& claim) {
    constexpr std::chrono::seconds between_lookups{1};
    Waiting late = claim;
    if (claim.claim == Claim::fresh || claim.claim == Claim::delayed) {
        late.claim = Claim::late;
        late.since = now_;
    }
    const auto timeout = late.claim == Claim::contested ? contested_for : until_superseded;
    if (now_ - late.since >= timeout) return tasks_.superseded.push_back(claim.held.conn);
    wait(id, std::move(late), now_ + between_lookups);
}

/// Returns true if our connection takes the device from the gateway that holds it. Otherwise the connection is denied,
/// or the claim waits.
bool Presence::takes(const std::string& id, const Entry& entry, const Waiting& claim) {
    const HeldDevice& held = claim.held;
    if (is_denied(entry, held)) {
        tasks_.denied.push_back(held.conn);
        return false;
    }
    if (held.ended) return false;  // it ends without this, and takes no device
    if (held.identity > entry.identity) return true;
    if (is_late(entry, claim)) {
        wait_or_give_up(id, claim);
        return false;
    }
    Moves& moves = moves_of(id);
    if (now_ < moves.backoff.next()) {
        tasks_.duplicates.push_back({.id = id, .holder = entry.peer, .claimant = held.peer, .takeovers = moves.count});
        Waiting delayed = claim;
        if (claim.claim != Claim::contested) delayed.claim = Claim::delayed;
        wait(id, std::move(delayed), moves.backoff.next());
        return false;
    }
    moves.backoff.count_takeover(now_);
    moves.latest = now_;
    ++moves.count;
    return true;
}

void Presence::wait(const std::string& id, Waiting claim, SteadyTime again) {
    claim.again = again;
    waiting_.insert_or_assign(id, std::move(claim));
}

/// Repeats a waiting claim now, because no other connection holds the device.
void Presence::claim_soon(const std::string& id) {
    if (const auto waiting = waiting_.find(id); waiting != waiting_.end()) waiting->second.again = now_;
}

/// Returns true if our connection, which yields to another gateway's, may be the later one. The order is certain only
/// if the clocks differ by more than their error. A connection takes a device back `max_contests` times at most.
bool Presence::is_contested(const Entry& entry, const PresenceRecord& to) const {
    if (entry.contests >= max_contests || entry.accepted == WallTime{} || to.accepted == WallTime{}) return false;
    const WallTime theirs = to_our_time(to);
    return entry.accepted + order_error >= (theirs == WallTime::min() ? to.accepted : theirs);
}

void Presence::step(const std::function<bool(const std::string& gateway)>& lives) {
    std::vector<std::pair<std::string, Waiting>> due;
    for (auto& [id, waiting] : waiting_) {
        if (waiting.again <= now_) due.emplace_back(id, waiting);
    }
    for (auto& [id, waiting] : due) {
        const auto entry = entries_.find(id);
        // The state of a silent gateway's connection is unknown.
        const bool is_known =
            entry == entries_.end() || !is_elsewhere(entry->second) || lives(names_.text(entry->second.gateway));
        waiting_.erase(id);
        if (!is_known) waiting.since = now_;
        claim(id, waiting);
    }
    end_orphans();
    forget_moves();
}

Presence::Moves& Presence::moves_of(const std::string& id) {
    const auto [found, fresh] = moves_.try_emplace(id);
    // Any other entry may make room: a device that keeps moving is added again.
    if (fresh && moves_.size() > max_moves) moves_.erase(found == moves_.begin() ? std::next(found) : moves_.begin());
    return found->second;
}

void Presence::forget_moves() {
    std::erase_if(moves_, [this](const auto& each) { return now_ - each.second.latest > moves_kept; });
}

}  // namespace holdfast
