#include <memory>
#include <utility>
#include <vector>

#include "model/counter_rows.h"
#include "server/kept_state.h"

namespace holdfast {

// Counters in the kept state: metrics do not fall when a process ends.

namespace {

constexpr auto& rows_of_listener = listener_rows<ListenerFigures<Counter, HistogramCounter>>;
constexpr auto& rows_of_reactor = reactor_rows<ShardCounters>;

template <typename Counters, typename Rows>
std::unique_ptr<Counters> totals_of(const Counters& from, const Rows& rows) {
    auto totals = std::make_unique<Counters>();
    assign_totals(*totals, from, rows);
    return totals;
}

}  // namespace

std::shared_ptr<ListenerCounters> KeptState::new_counters(std::uint8_t number, std::uint32_t reactor) {
    const KeptShard kept = shard(reactor);
    // Zero pages are counters of zero. Other threads may still read those of a former listener.
    assign_figures(kept.of_listeners[number], ListenerCounters(), rows_of_listener);
    return kept.counters_of(number);
}

void KeptState::carry_totals(const std::array<std::int16_t, 256>& listener_of, std::size_t listeners) {
    for (std::uint32_t reactor = 0; reactor < shape_->reactors; ++reactor) {
        const KeptShard kept = shard(reactor);
        assign_figures(*kept.counters, *totals_of(*kept.counters, rows_of_reactor), rows_of_reactor);
        std::vector<std::pair<std::int16_t, std::unique_ptr<ListenerCounters>>> former;
        for (std::size_t number = 0; number < listener_of.size(); ++number) {
            if (listener_of[number] != Heritage::unknown)
                former.emplace_back(listener_of[number], totals_of(kept.of_listeners[number], rows_of_listener));
        }
        for (std::size_t number = 0; number < listeners; ++number)
            static_cast<void>(new_counters(static_cast<std::uint8_t>(number), reactor));
        for (const auto& [number, totals] : former)
            assign_figures(kept.of_listeners[number], *totals, rows_of_listener);
    }
}

}  // namespace holdfast
