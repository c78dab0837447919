#include <algorithm>

#include "api/api.h"
#include "api/render.h"
#include "base/clock.h"
#include "detect/prefix_table.h"

namespace holdfast {
namespace {

/// The history may have 10,000,000 entries: an answer counts the newest of them.
constexpr std::size_t max_counted_closes = 100'000;

void write_prefix_counts(JsonWriter& json, const PrefixRow& row) {
    json.field("connections", row.connections).field("suspects", row.suspects).field("closed", row.closed_total);
    json.key("reasons").begin_object();
    for (const CloseReason reason : all_close_reasons) {
        const std::size_t count = row.closed[static_cast<std::size_t>(reason)];
        if (count > 0) json.field(to_string(reason), count);
    }
    json.end_object();
}

std::string render_prefixes(const std::optional<Prefix>& within, EventTime since, const PrefixTable& table,
                            std::size_t limit) {
    JsonWriter json;
    json.begin_object().key("peer");
    write_or_null(json, within ? to_string(*within) : std::string());
    json.field("closed_since", render_time(since)).field("total", table.rows.size());
    write_prefix_counts(json, table.all);
    json.key("prefixes").begin_array();
    for (std::size_t i = 0; i < std::min(limit, table.rows.size()); ++i) {
        json.begin_object().field("prefix", to_string(table.rows[i].prefix));
        write_prefix_counts(json, table.rows[i]);
        json.end_object();
    }
    json.end_array().end_object();
    return json.take();
}

}  // namespace

/// Closes that the history has dropped do not count, and `closed_since` then moves to the oldest counted one.
ApiAnswer Api::prefixes(const ApiCall& call) {
    const auto within = call.arguments.get<Prefix>("peer");
    EventTime since = SystemClock().wall() - call.arguments.value<std::chrono::milliseconds>("window");
    std::vector<ClosedLife> lives = gateway_.closed({.reason = {}, .peer = within, .limit = max_counted_closes}).lives;
    if (lives.size() == max_counted_closes) since = std::max(since, lives.back().at);
    std::erase_if(lives, [since](const ClosedLife& life) { return life.at < since; });
    const PrefixTable counted = prefix_table(within, gateway_.census(), lives);
    return json_answer(render_prefixes(within, since, counted, call.arguments.value<std::uint64_t>("limit")));
}

}  // namespace holdfast
