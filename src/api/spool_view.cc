#include "api/spool_view.h"

#include <algorithm>

namespace holdfast {

Result<std::optional<std::uint64_t>> SpoolView::move_group(const std::string& group, const GroupMove& move) {
    const std::lock_guard lock(moving_);
    if (move.after) {
        const auto rows = groups();
        const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& one) { return one.name == group; });
        const std::uint64_t now = row == rows.end() ? 0 : row->position;
        const auto latest = latest_movers_.find(group);
        const bool is_own = latest == latest_movers_.end() || latest->second == move.consumer;
        const bool is_repeated = now == move.position && is_own;
        if (now != *move.after && !is_repeated) return std::optional(now);
    }
    if (auto failed = set_position(group, move.position)) return *failed;
    latest_movers_[group] = move.consumer;
    return std::optional<std::uint64_t>();
}

}  // namespace holdfast
