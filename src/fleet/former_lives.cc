#include "fleet/former_lives.h"

#include <simdjson.h>

#include <utility>

namespace holdfast {

namespace {

std::string id_of(const std::string& line) {
    simdjson::dom::parser parser;
    std::string_view id;
    if (parser.parse(line)["id"].get(id)) return {};
    return std::string(id);
}

}  // namespace

FormerLives::FormerLives(std::vector<FormerConnection> lives, bool records_last) : records_last_(records_last) {
    for (FormerConnection& life : lives) {
        std::string conn = life.conn;
        lives_.emplace(std::move(conn), std::move(life));
    }
}

std::optional<FormerConnection> FormerLives::take(const std::string& conn) {
    auto node = lives_.extract(conn);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
}

FormerLives::Settled FormerLives::settle(std::size_t max, const Find& find) {
    Settled settled;
    auto next = lives_.upper_bound(settled_up_to_);
    if (next == lives_.end()) next = lives_.begin();
    for (; max > 0 && next != lives_.end(); --max) {
        FormerConnection& life = next->second;
        settled_up_to_ = next->first;
        const auto record = find(id_of(life.closed_line));
        if (record && record->online && to_string(record->conn) == next->first) {
            ++next;
            continue;
        }
        if (!record && records_last_) {
            settled.tell.push_back(std::move(life));
        } else {
            settled.reported_by_fleet.push_back(next->first);
        }
        next = lives_.erase(next);
    }
    return settled;
}

}  // namespace holdfast
