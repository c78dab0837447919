#include <algorithm>
#include <iterator>
#include <utility>

#include "fleet/presence.h"

namespace holdfast {

// Connections that were replaced or left behind, and whose gateway may be unable to report their ends.

/// Remembers a replaced connection, because only this gateway may know of the replacement.
void Presence::displace(const std::string& id, const PresenceRecord& former) {
    if (former.gateway == self_ && former.run == run_) return;
    if (former.online) {
        displacing_[id] = {id, former};
    } else {
        displacing_.erase(id);  // its end has been reported
    }
}

/// Drops a displaced connection that its gateway has put again after a put of ours: it was not replaced.
void Presence::came_back(const PresenceRecord& record) {
    const auto found = displaced_.find(record.gateway);
    if (found == displaced_.end()) return;
    std::erase_if(found->second, [&](const LostLife& life) { return life.record.conn == record.conn; });
}

/// Settles a displaced connection after our put. Its own gateway sees the newer record and reports the end, unless that
/// gateway is lost.
void Presence::settle_displaced(const std::string& id) {
    const auto found = displacing_.find(id);
    if (found == displacing_.end()) return;
    LostLife life = std::move(found->second);
    displacing_.erase(found);
    if (life.record.gateway == self_) {
        tasks_.lost.push_back(std::move(life));
    } else {
        life.record.closed_at = entries_.at(id).since;
        displaced_[life.record.gateway].push_back(std::move(life));
    }
}

void Presence::report_displaced(const std::string& gateway, const std::function<bool(std::uint32_t run)>& which) {
    const auto found = displaced_.find(gateway);
    if (found == displaced_.end()) return;
    auto& lives = found->second;
    const auto kept = std::stable_partition(lives.begin(), lives.end(),
                                            [&](const LostLife& life) { return !which(life.record.run); });
    std::move(kept, lives.end(), std::back_inserter(tasks_.lost));
    lives.erase(kept, lives.end());
    if (lives.empty()) displaced_.erase(found);
}

void Presence::lose(const std::string& gateway, WallTime now) {
    for (const auto& [id, entry] : entries_) {
        const bool its = entry.online && !entry.held && names_.text(entry.gateway) == gateway;
        if (its && !(gateway == self_ && entry.run == run_)) marks_.push_back({id, entry.conn, now});
    }
    report_displaced(gateway, [](std::uint32_t) { return true; });
}

void Presence::beats(const std::string& gateway, std::uint32_t run, WallTime before) {
    report_displaced(gateway, [run](std::uint32_t its) { return its != run; });
    const auto found = displaced_.find(gateway);
    if (found == displaced_.end()) return;
    std::erase_if(found->second, [before](const LostLife& life) { return life.record.closed_at < before; });
    if (found->second.empty()) displaced_.erase(found);
}

void Presence::stopped(const std::string& gateway) { displaced_.erase(gateway); }

}  // namespace holdfast
