#include <algorithm>
#include <utility>

#include "fleet/presence.h"

namespace holdfast {

std::size_t Presence::ended() const {
    for (const auto& [gateway, ended] : ended_) {
        if (names_.text(gateway) == self_) return ended.size();
    }
    return 0;
}

/// Counts an end in the budget of the record's gateway. Must be called last, because it may erase any entry whose end
/// the bucket has.
void Presence::note_end(const std::string& id, const Entry& entry) {
    if (entry.online || entry.held || entry.identity == Identity::authenticated) return;
    auto& ended = ended_[entry.gateway];
    ended.push_back({id, entry.conn});
    while (ended.size() > max_ended_) {
        const Ended oldest = std::move(ended.front());
        ended.pop_front();
        drop(oldest);
    }
}

/// Removes a record above the budget. The watches of other gateways do not see a purge. They must see the end before,
/// so that each of them forgets the record by the same budget.
void Presence::drop(const Ended& ended) {
    const auto found = entries_.find(ended.id);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    if (entry.online || entry.held || entry.identity == Identity::authenticated || entry.drop ||
        entry.conn != ended.conn)
        return;
    // A snapshot can contain records whose purge has not reached the bucket: they were counted when they ended.
    if (answers_for(entry) && !(counting_again_ && own(entry))) ++dropped_;
    entry.drop = true;
    if (!entry.dirty && !flights_.contains(ended.id)) ready(found);
}

/// Purges a record of this gateway. Records of others are only forgotten.
void Presence::ready(Entries::iterator entry) {
    if (answers_for(entry->second)) {
        ready_.push_back({entry->first, entry->second.conn});
    } else {
        entries_.erase(entry);
    }
}

/// Counts all ends after a snapshot, including those of a former run of this gateway.
void Presence::count_ends_again() {
    counting_again_ = true;
    ended_.clear();
    std::vector<std::pair<WallTime, std::string>> closed;
    for (const auto& [id, entry] : entries_) {
        if (!entry.online && !entry.held && entry.identity != Identity::authenticated)
            closed.emplace_back(entry.closed_at, id);
    }
    std::sort(closed.begin(), closed.end());
    for (const auto& [at, id] : closed) {
        if (const auto found = entries_.find(id); found != entries_.end()) note_end(id, found->second);
    }
    counting_again_ = false;
}

std::vector<std::pair<std::string, std::uint64_t>> Presence::take_purges(SteadyTime now, std::size_t max) {
    for (Ended& ended : std::exchange(ready_, {})) purges_.emplace_back(now + purged_after, std::move(ended));
    std::vector<std::pair<std::string, std::uint64_t>> taken;
    for (; !purges_.empty() && purges_.front().first <= now && taken.size() < max; purges_.pop_front()) {
        const Ended& ended = purges_.front().second;
        const auto found = entries_.find(ended.id);
        if (found == entries_.end() || found->second.conn != ended.conn || !found->second.drop) continue;
        if (found->second.dirty || flights_.contains(ended.id)) continue;
        // 0 would purge a later put of another gateway.
        if (found->second.revision != 0) taken.emplace_back(ended.id, found->second.revision);
        entries_.erase(found);
    }
    return taken;
}

}  // namespace holdfast
