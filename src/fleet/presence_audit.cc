#include <algorithm>
#include <utility>

#include "fleet/presence.h"

namespace holdfast {

// Compares records of this gateway with the connections that it holds; docs/explanation/fleet.md, "Records and
// connections".

/// Remembers a record that shows a device online here without a held connection. The connection that superseded it is
/// about to replace the record. If none does, the record is closed.
void Presence::orphan(const std::string& id, const Entry& entry) {
    if (own(entry) && entry.online && !entry.held) orphans_.push_back({id, entry.conn, now_});
}

void Presence::end_orphans() {
    for (; !orphans_.empty() && orphans_.front().since + orphaned_after <= now_; orphans_.pop_front()) {
        const Orphan orphan = orphans_.front();
        const auto found = entries_.find(orphan.id);
        if (found == entries_.end() || found->second.conn != orphan.conn) continue;
        Entry& entry = found->second;
        if (own(entry) && entry.online && !entry.held) end(orphan.id, entry, CloseReason::superseded, wall_now_);
    }
}

/// Returns true if the device's record and connection have differed for `audit_again`. Before that, a note of a
/// connection may still be queued.
bool Presence::differs_again(const std::string& id, ConnectionId conn) {
    const auto [found, fresh] = differing_.try_emplace(id, conn, now_);
    if (fresh || found->second.first != conn) {
        found->second = {conn, now_};
        return false;
    }
    if (now_ - found->second.second < audit_again) return false;
    differing_.erase(found);
    return true;
}

void Presence::audit_one(const std::string& id, Entry& entry, std::optional<ConnectionId> here, Audit& audit) {
    const bool says = own(entry) && entry.online;
    const bool waits = waiting_.contains(id);
    const bool agrees = says ? entry.held && here == entry.conn : !here || waits;
    if (agrees) {
        differing_.erase(id);
        return;
    }
    if (!differs_again(id, here.value_or(entry.conn))) return;
    ++audit.corrected;
    if (here) {
        audit.unknown.emplace_back(id, *here);
    } else {
        set_held(entry, false);
        end(id, entry, std::nullopt, wall_now_);
    }
}

Presence::Audit Presence::audit(std::size_t share,
                                const std::function<std::optional<ConnectionId>(const std::string& id)>& here) {
    Audit audit;
    std::vector<std::string> ids;  // collected first, because an end may erase entries
    for (const auto& [id, since] : differing_) ids.push_back(id);
    const std::size_t all = entries_.bucket_count();
    const std::size_t first = audited_ < all ? audited_ : 0;
    audited_ = std::min(all, first + all / share + 1);
    for (std::size_t bucket = first; bucket < audited_; ++bucket) {
        for (auto at = entries_.begin(bucket); at != entries_.end(bucket); ++at) ids.push_back(at->first);
    }
    for (const std::string& id : ids) {
        const auto found = entries_.find(id);
        if (found == entries_.end()) {
            differing_.erase(id);
        } else {
            audit_one(id, found->second, here(id), audit);
        }
    }
    return audit;
}

}  // namespace holdfast
