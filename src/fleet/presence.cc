#include "fleet/presence.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace holdfast {

void Presence::write(Entry& entry, const PresenceRecord& record) {
    entry.conn = record.conn;
    entry.peer = record.peer;
    entry.run = record.run;
    entry.since = record.since;
    if (!record.online && (entry.online || entry.closed_at != record.closed_at)) entry.seen_closed = now_;
    entry.closed_at = record.closed_at;
    entry.accepted = record.accepted;
    entry.accepted_here = to_our_time(record);
    entry.gateway = names_.number_of(record.gateway);
    entry.listener = names_.number_of(record.listener);
    entry.by = names_.number_of(record.by);
    entry.reason = record.reason ? static_cast<std::uint8_t>(*record.reason) : no_reason;
    entry.online = record.online;
    entry.identity = record.identity;
    entry.drop = false;
}

PresenceRecord Presence::read(const Entry& entry) const {
    PresenceRecord record{.gateway = names_.text(entry.gateway),
                          .run = entry.run,
                          .conn = entry.conn,
                          .peer = entry.peer,
                          .listener = names_.text(entry.listener),
                          .since = entry.since,
                          .accepted = entry.accepted,
                          .online = entry.online,
                          .identity = entry.identity};
    if (entry.reason != no_reason) record.reason = static_cast<CloseReason>(entry.reason);
    record.closed_at = entry.closed_at;
    record.by = names_.text(entry.by);
    return record;
}

/// Marks the record for a put in its turn.
void Presence::mark_dirty(const std::string& id, Entry& entry) {
    entry.dirty = true;
    if (!flights_.contains(id)) dirty_.push_back(id);  // a second entry is harmless
}

void Presence::set_held(Entry& entry, bool held) {
    if (entry.held != held) held_ += held ? 1 : std::size_t(-1);
    entry.held = held;
}

/// Returns true if another gateway denies the device to our connection, as the local device index would: a device with
/// proof keeps its place.
bool Presence::is_denied(const Entry& entry, const HeldDevice& held) const {
    return entry.online && entry.identity > held.identity && names_.text(entry.gateway) != self_;
}

void Presence::here(const std::string& id, const HeldDevice& held) {
    const auto waiting = waiting_.find(id);
    if (waiting != waiting_.end() && waiting->second.held.conn == held.conn) return;
    claim(id, {.held = held, .since = now_, .again = now_, .claim = Claim::fresh});
}

void Presence::claim(const std::string& id, const Waiting& claim) {
    const HeldDevice& held = claim.held;
    const auto [at, fresh] = entries_.try_emplace(id);
    Entry& entry = at->second;
    if (!fresh && entry.held && entry.conn == held.conn) return;
    const bool is_taken = !fresh && is_elsewhere(entry);
    if (is_taken && !takes(id, entry, claim)) return;
    waiting_.erase(id);
    if (!fresh) displace(id, read(entry));
    write(entry, {.gateway = self_,
                  .run = run_,
                  .conn = held.conn,
                  .peer = held.peer,
                  .listener = held.listener,
                  .since = held.since,
                  .accepted = held.accepted,
                  .online = true,
                  .identity = held.identity});
    set_held(entry, true);
    entry.claimed = false;
    const bool takes_back = is_taken && claim.claim == Claim::contested;
    entry.contests = static_cast<std::uint8_t>(claim.contests + (takes_back ? 1 : 0));
    mark_dirty(id, entry);
}

void Presence::gone(const std::string& id, ConnectionId conn, std::optional<CloseReason> reason, WallTime at) {
    if (const auto waiting = waiting_.find(id); waiting != waiting_.end() && waiting->second.held.conn == conn) {
        waiting_.erase(waiting);
    }
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.held || found->second.conn != conn) return;
    Entry& entry = found->second;
    set_held(entry, false);
    const bool in_bucket = entry.revision != 0 || entry.claimed || entry.may_be_there || flights_.contains(id);
    if (!in_bucket && entry.identity != Identity::authenticated && ended() >= max_ended_) {
        ++dropped_;
        displacing_.erase(id);
        entries_.erase(found);
        return;
    }
    // The newer connection, here or elsewhere, has its own record, so the device never appears offline between the two.
    if (reason == CloseReason::superseded) return orphan(id, entry);
    end(id, entry, reason, at);
}

void Presence::end(const std::string& id, Entry& entry, std::optional<CloseReason> reason, WallTime at) {
    entry.online = false;
    entry.reason = reason ? static_cast<std::uint8_t>(*reason) : no_reason;
    entry.closed_at = at;
    entry.seen_closed = now_;
    mark_dirty(id, entry);
    note_end(id, entry);
}

void Presence::begin_snapshot() {
    in_snapshot_ = true;
    for (auto& [id, entry] : entries_) entry.seen = false;
}

void Presence::end_snapshot() {
    complete_ = true;
    in_snapshot_ = false;
    for (auto at = entries_.begin(); at != entries_.end();) {
        Entry& entry = at->second;
        if (entry.seen) {
            orphan(at->first, entry);
            ++at;
        } else if (entry.held) {
            entry.revision = 0;
            mark_dirty((at++)->first, entry);
        } else {
            at = entries_.erase(at);
        }
    }
    count_ends_again();
}

void Presence::removed(const std::string& id, std::uint64_t revision) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    if (revision == 0) return absent(id, found->second);
    if (revision <= found->second.revision) return;
    if (!found->second.held) {
        entries_.erase(found);
        return;
    }
    found->second.revision = revision;  // compare-and-set needs it after a delete marker too
    found->second.seen = true;
    mark_dirty(id, found->second);
}

void Presence::absent(const std::string& id, Entry& entry) {
    entry.revision = 0;
    if (entry.held) mark_dirty(id, entry);
}

void Presence::saw(const std::string& id, const PresenceRecord& record, std::uint64_t revision) {
    const auto [at, fresh] = entries_.try_emplace(id);
    Entry& entry = at->second;
    entry.seen = true;
    if (fresh && is_late_echo(record)) {
        entries_.erase(at);
        return;
    }
    if (!fresh && revision <= entry.revision) return;
    const bool ours = record.gateway == self_ && record.run == run_ && record.by.empty();
    if (ours || record.by == self_) return saw_own(id, entry, record, revision);
    if (record.online) came_back(record);
    entry.revision = revision;
    if (entry.held) return saw_while_held(id, entry, record);
    if (!fresh && insists(id, entry, record)) {
        displace(id, record);
        return mark_dirty(id, entry);
    }
    entry.dirty = false;
    displacing_.erase(id);
    write(entry, record);
    if (!record.online) claim_soon(id);
    note_end(id, entry);
}

/// Handles the echo of a put, which counts as its acknowledgement and sometimes precedes it.
void Presence::saw_own(const std::string& id, Entry& entry, const PresenceRecord& record, std::uint64_t revision) {
    const auto flight = flights_.find(id);
    if (flight != flights_.end() && flight->second.put.record == record) return landed(id, revision);
    entry.revision = revision;
    if (!record.by.empty() && entry.online && !entry.held) tasks_.lost.push_back({id, read(entry)});
    const bool ours = record.by.empty() && entry.conn.run != 0 && own(entry);
    if (ours && read(entry) != record) return mark_dirty(id, entry);  // from a put that was given up
    if (entry.held) return mark_dirty(id, entry);
    write(entry, record);
    orphan(id, entry);
    if (!record.online) claim_soon(id);
}

/// Returns true if our connection keeps the device. Either both claimed the device without knowing of each other, or
/// the other one lacks the proof that ours has given.
bool Presence::insists(const std::string& id, const Entry& entry, const PresenceRecord& other) const {
    if (entry.held && entry.identity > other.identity) return true;
    if (other.online && other.identity > entry.identity) return false;
    if (entry.held != other.online) return entry.held;  // an ended connection takes nothing from a living one
    const bool unsettled = own(entry) && !entry.claimed && (entry.dirty || flights_.contains(id));
    if (!unsettled) return false;
    const WallTime theirs = to_our_time(other);
    if (theirs == WallTime::min() || entry.accepted_here == WallTime::min()) {
        return std::tie(entry.since, self_) > std::tie(other.since, other.gateway);
    }
    return std::tie(entry.accepted_here, self_) > std::tie(theirs, other.gateway);
}

void Presence::saw_while_held(const std::string& id, Entry& entry, const PresenceRecord& record) {
    if (record.gateway == self_) {
        const bool given_up = record.run == run_ && record.conn == entry.conn;
        if (given_up) returning_.insert(id);
        displace(id, record);  // of a former run
        return mark_dirty(id, entry);
    }
    if (!insists(id, entry, record)) return yield(entry, id, record);
    displace(id, record);
    mark_dirty(id, entry);
}

void Presence::yield(Entry& entry, const std::string& id, const PresenceRecord& to) {
    const bool ranks_alike = entry.identity == to.identity && to.online;
    if (ranks_alike) {
        Moves& moves = moves_of(id);
        moves.backoff.count_takeover(now_);
        moves.latest = now_;
        ++moves.count;
    }
    // A claim that was never in the bucket came second.
    const bool denied = to.online && to.identity > entry.identity && !entry.claimed;
    if (ranks_alike && is_contested(entry, to)) {
        const HeldDevice held{.conn = entry.conn,
                              .peer = entry.peer,
                              .listener = names_.text(entry.listener),
                              .since = entry.since,
                              .identity = entry.identity,
                              .accepted = entry.accepted};
        wait(id, {.held = held, .since = now_, .again = {}, .claim = Claim::contested, .contests = entry.contests},
             now_ + contested_for);
    } else {
        (denied ? tasks_.denied : tasks_.superseded).push_back(entry.conn);
    }
    set_held(entry, false);
    entry.dirty = false;
    displacing_.erase(id);
    returning_.erase(id);
    write(entry, to);
}

std::vector<PresencePut> Presence::take_puts(std::size_t max) {
    std::vector<PresencePut> puts;
    for (std::size_t left = dirty_.size(); left > 0 && puts.size() < max; --left) {
        const std::string id = std::move(dirty_.front());
        dirty_.pop_front();
        const auto found = entries_.find(id);
        if (found == entries_.end() || !found->second.dirty || flights_.contains(id)) continue;
        found->second.dirty = false;
        puts.push_back({id, read(found->second), found->second.revision});
        flights_[id] = {puts.back(), false};
    }
    while (!marks_.empty() && puts.size() < max) {
        const auto [id, conn, at] = std::move(marks_.front());
        marks_.pop_front();
        const auto found = entries_.find(id);
        if (found == entries_.end() || flights_.contains(id)) continue;
        if (!found->second.online || found->second.held || found->second.conn != conn) continue;
        PresencePut put{id, read(found->second), found->second.revision};
        put.record.online = false;
        put.record.reason = CloseReason::gateway_lost;
        put.record.closed_at = at;
        put.record.by = self_;
        puts.push_back(put);
        flights_[id] = {std::move(put), true};
    }
    return puts;
}

std::optional<std::pair<Presence::Flight, Presence::Entries::iterator>> Presence::end_flight(const std::string& id) {
    auto flight = flights_.extract(id);
    const auto found = entries_.find(id);
    if (flight.empty() || found == entries_.end()) return std::nullopt;
    return std::pair(std::move(flight.mapped()), found);
}

void Presence::landed(const std::string& id, std::uint64_t revision) {
    const auto flight = flights_.find(id);
    // If an echo came first, this is the acknowledgement of an earlier put.
    if (flight == flights_.end() || revision <= flight->second.put.expected) return;
    const auto ended = end_flight(id);
    if (!ended) return;
    const auto& [done, found] = *ended;
    Entry& entry = found->second;
    entry.seen = true;
    const bool newest = entry.revision < revision;
    entry.revision = std::max(entry.revision, revision);
    if (done.mark) {
        PresenceRecord lived = done.put.record;
        lived.online = true;
        displacing_.erase(id);  // it is this very connection
        tasks_.lost.push_back({id, std::move(lived)});
        if (newest && !entry.held) write(entry, done.put.record);
    } else {
        settle_displaced(id);
        entry.claimed = entry.claimed || (own(entry) && done.put.record.conn == entry.conn);
        if (returning_.erase(id) > 0 && entry.held) tasks_.returned.push_back(id);
        // A purge may have reset the revisions: the bucket now holds this put.
        if (newest && !own(entry)) write(entry, done.put.record);
        orphan(id, entry);
    }
    if (entry.dirty) dirty_.push_back(id);
    if (entry.drop && !entry.dirty) return ready(found);
    if (done.mark) note_end(id, entry);
}

void Presence::refused(const std::string& id) {
    const auto ended = end_flight(id);
    if (!ended) return;
    const auto& [done, found] = *ended;
    Entry& entry = found->second;
    if (done.mark || !own(entry)) {
        if (entry.dirty) dirty_.push_back(id);
        return;
    }
    // Our connection has ended, and the bucket has a newer record. A record that was seen while the connection existed
    // was perhaps not kept: the lookup returns the newest one again.
    if (!entry.held && entry.claimed) {
        entry.dirty = false;
        entry.revision = std::min(entry.revision, done.put.expected);
        unresolved_.push_back(id);
        return;
    }
    // The newer record decides once it has been seen. If it does not arrive, it is looked up.
    entry.dirty = true;
    if (entry.revision > done.put.expected) {
        dirty_.push_back(id);
    } else {
        unresolved_.push_back(id);
    }
}

void Presence::retry(const std::string& id) {
    const auto found = entries_.find(id);
    if (found != entries_.end() && found->second.dirty) mark_dirty(id, found->second);
}

void Presence::failed(const std::string& id) {
    const auto ended = end_flight(id);
    if (!ended) return;
    const auto& [done, found] = *ended;
    if (done.mark) {
        marks_.push_back({id, done.put.record.conn, done.put.record.closed_at});
        if (found->second.dirty) dirty_.push_back(id);
    } else if (own(found->second)) {
        found->second.dirty = found->second.may_be_there = true;
        dirty_.push_back(id);
    } else {
        unresolved_.push_back(id);  // the bucket may contain it
    }
}

std::optional<Presence::Found> Presence::find(const std::string& id) const {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return std::nullopt;
    return Found{read(found->second), found->second.revision};
}

void Presence::for_each(const std::function<void(const std::string& id, const PresenceRecord&)>& visit) const {
    for (const auto& [id, entry] : entries_) visit(id, read(entry));
}

std::vector<std::string> Presence::held_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, entry] : entries_) {
        if (entry.held) ids.push_back(id);
    }
    return ids;
}

std::vector<std::pair<std::string, std::uint64_t>> Presence::forget(
    SteadyTime before, std::size_t max, const std::function<bool(const std::string& gateway)>& lives) {
    std::vector<std::pair<std::string, std::uint64_t>> purge;
    for (auto at = entries_.begin(); at != entries_.end() && max > 0;) {
        const auto& [id, entry] = *at;
        const bool settled = !entry.online && !entry.held && !entry.dirty && !flights_.contains(id);
        if (!settled || entry.seen_closed >= before) {
            ++at;
            continue;
        }
        const std::string& gateway = names_.text(entry.gateway);
        if (gateway == self_ || !lives(gateway)) purge.emplace_back(id, entry.revision);
        at = entries_.erase(at);
        --max;
    }
    return purge;
}

}  // namespace holdfast
