#include "conn/shard_pace.h"

#include "conn/liveness.h"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

// Checks of `connected_pending` and unauthenticated connections are due within a second.
constexpr milliseconds slowest_period{1'000};
constexpr milliseconds fastest_period{50};

}  // namespace

PaceDemand pace_demand(const ListenerPolicy& policy) {
    milliseconds period = std::min({slowest_period, policy.plan.sweep_period, policy.item_deadline / 4});
    if (policy.read_idle) period = std::min(period, *policy.read_idle / 4);
    if (policy.write_stall) period = std::min(period, *policy.write_stall / 4);
    return {.sweep_period = std::max(period, fastest_period), .probe_round = probe_round(policy.plan)};
}

/// Draws a listener by its share of the rate, then one of its connections with equal chance. Slots are drawn until one
/// belongs to the listener. Returns 0 if many draws found none.
std::uint32_t ShardPace::draw_slot(const Rates& rates) {
    double place = std::uniform_real_distribution<double>(0, rates.sum)(dice_);
    std::size_t listener = 0;
    while (listener + 1 < rates.of.size() && place >= rates.of[listener]) place -= rates.of[listener++];
    SlotListeners::Set wanted{};
    wanted[listener] = true;
    const std::uint32_t members = slots_.members(static_cast<std::uint16_t>(listener));
    if (members == 0) return 0;
    std::uniform_int_distribution<std::uint32_t> any(1, slots_.highest());
    for (std::uint32_t left = std::min(8 * slots_.highest() / members + 8, max_misses); left > 0; --left) {
        const std::uint32_t slot = any(dice_);
        if (slots_.is_of(slot, wanted)) return slot;
    }
    return 0;
}

}  // namespace holdfast
