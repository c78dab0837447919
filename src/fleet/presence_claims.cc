#include <algorithm>
#include <iterator>
#include <utility>

#include "fleet/presence.h"

namespace holdfast {

// Claims of this gateway's connections on devices that are elsewhere; docs/FLEET.md, "Who has a device".

/// Returns when a connection was established, by our clock, or a later time; WallTime::min() if that is not known. A
/// gateway's clock may be wrong, and a record may come late: the earlier of what both say is taken, so that a
/// connection of ours is not held for the older one by mistake.
WallTime Presence::to_our_time(const PresenceRecord& record) const {
    if (record.accepted == WallTime{}) return WallTime::min();
    if (record.gateway == self_) return record.accepted;
    const auto clock = clocks_.find(record.gateway);
    // The first beat may be an old one that a watch tells at its start.
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

/// Decides whether our connection takes the device from the gateway that has it. If not, it has been told, or the claim
/// waits.
bool Presence::takes(const std::string& id, const Entry& entry, const HeldDevice& held, SteadyTime since) {
    constexpr std::chrono::seconds between_looks{1};
    if (is_denied(entry, held)) {
        tasks_.denied.push_back(held.conn);
        return false;
    }
    if (held.ended) return false;  // it ends by itself, and takes nothing
    if (held.proved && !entry.proved) return true;
    const bool older = held.accepted != WallTime{} && entry.accepted_here != WallTime::min() &&
                       held.accepted + clock_error < entry.accepted_here;
    if (older && now_ - since >= until_superseded) {
        tasks_.superseded.push_back(held.conn);
        return false;
    }
    if (older) {
        waiting_[id] = {.held = held, .since = since, .again = now_ + between_looks};
        return false;
    }
    Moves& moves = moves_of(id);
    if (now_ < moves.backoff.next()) {
        tasks_.duplicates.push_back({.id = id, .holder = entry.peer, .claimant = held.peer, .takeovers = moves.count});
        waiting_[id] = {.held = held, .since = now_, .again = moves.backoff.next()};
        return false;
    }
    moves.backoff.count_takeover(now_);
    moves.latest = now_;
    ++moves.count;
    return true;
}

void Presence::step(const std::function<bool(const std::string& gateway)>& lives) {
    std::vector<std::pair<std::string, Waiting>> due;
    for (auto& [id, waiting] : waiting_) {
        if (waiting.again <= now_) due.emplace_back(id, waiting);
    }
    for (auto& [id, waiting] : due) {
        const auto entry = entries_.find(id);
        // Whether the connection of a silent gateway lives is not known.
        const bool is_known =
            entry == entries_.end() || !is_elsewhere(entry->second) || lives(names_.text(entry->second.gateway));
        waiting_.erase(id);
        claim(id, waiting.held, is_known ? waiting.since : now_);
    }
    forget_moves();
}

Presence::Moves& Presence::moves_of(const std::string& id) {
    const auto [found, fresh] = moves_.try_emplace(id);
    // Any other may make room: one that goes on moving comes in again.
    if (fresh && moves_.size() > max_moves) moves_.erase(found == moves_.begin() ? std::next(found) : moves_.begin());
    return found->second;
}

void Presence::forget_moves() {
    std::erase_if(moves_, [this](const auto& each) { return now_ - each.second.latest > moves_kept; });
}

}  // namespace holdfast
