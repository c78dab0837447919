#include "daemon/bad_item_log.h"

#include "text/printable.h"

namespace holdfast {

void BadItemLog::report(SteadyTime now) {
    const BadItemPage page =
        source_({.peer = {}, .id = {}, .listener = {}, .kind = {}, .after = newest_, .limit = bad_items_kept});
    for (auto row = page.rows.rbegin(); row != page.rows.rend(); ++row) take(*row, now);
    newest_ = page.newest;
}

void BadItemLog::take(const BadItemRow& row, SteadyTime now) {
    if (lines_.size() >= max_devices) forget_old(now);
    const auto [found, is_first] =
        lines_.try_emplace({row.id.empty() ? to_string(row.peer.address) : row.id, row.kind});
    Line& line = found->second;
    if (!is_first && now - line.at < every) {
        ++line.held;
        return;
    }
    log_.warn("bad item received", {{"listener", row.listener},
                                    {"conn", to_string(row.conn)},
                                    {"peer", to_string(row.peer)},
                                    {"id", row.id},
                                    {"kind", to_string(row.kind)},
                                    {"position", std::to_string(row.position)},
                                    {"bytes", std::to_string(row.bytes)},
                                    {"head", printable_bytes(row.head.view())},
                                    {"detail", row.detail},
                                    {"held_since_last", std::to_string(line.held)}});
    line = {.at = now, .held = 0};
}

/// Forgets the devices that may be logged again; all of them if none may.
void BadItemLog::forget_old(SteadyTime now) {
    std::erase_if(lines_, [now](const auto& entry) { return now - entry.second.at >= every; });
    if (lines_.size() >= max_devices) lines_.clear();
}

}  // namespace holdfast
