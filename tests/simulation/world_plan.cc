#include "world_plan.h"

#include <algorithm>
#include <array>

namespace holdfast {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

Site draw_site(Dice& dice, const LivenessPlan& plan) {
    Site site{.regime = static_cast<Regime>(dice.below(6)), .delay = dice.between(0ms, 150ms)};
    const milliseconds room = plan.safe_round_trip / 2;
    site.delay = std::min(site.delay, room / 2);
    if (site.regime == Regime::slow) site.delay = dice.between(0ms, room * 3 / 4);
    // Far below the loss that closes one in a million idle connections a day: a run has thousands of such days.
    if (site.regime == Regime::lossy) site.loss = dice.unit() * safe_packet_loss(plan) / 3;
    if (site.regime == Regime::lossy && site.loss < 0.002) site.regime = Regime::calm, site.loss = 0;
    if (site.regime == Regime::nat) site.nat = dice.between(10s, 30min);
    return site;
}

ServerConfig draw_config(Dice& dice, milliseconds detect_within, milliseconds item_pause) {
    ServerConfig config;
    ListenerConfig& listener = config.listeners[0];
    listener.detect_within = detect_within;
    listener.read_idle = std::nullopt;
    if (dice.chance(0.5)) listener.read_idle = 5 * item_pause + 2 * detect_within;
    if (dice.chance(0.3)) listener.write_stall = dice.between(detect_within / 2, 3 * detect_within);
    listener.item_deadline = 30s + 2 * detect_within;
    listener.max_bad_items = static_cast<std::uint16_t>(1 + dice.below(20));
    listener.acks = true;
    config.canaries = dice.chance(0.5);
    config.observed = config.canaries;
    config.closed_history = 100;
    if (dice.chance(0.3)) config.limits.buffer_budget = std::size_t{1} << (20 + dice.below(4));
    return config;
}

}  // namespace

WorldPlan draw_world(std::uint64_t seed, Size size) {
    Dice dice(seed);
    constexpr std::array bounds{3s, 5s, 10s, 15s, 30s, 60s, 300s, 600s, 600s, 1800s, 3600s};
    constexpr std::size_t small_bounds = 6;
    const milliseconds detect_within = size == Size::quiet
                                           ? milliseconds(600s)
                                           : bounds[dice.below(size == Size::small ? small_bounds : bounds.size())];
    const bool is_large = detect_within >= 300s;
    WorldPlan world;
    world.seed = seed;
    world.item_pause = size == Size::quiet ? dice.between(1h, 6h) : dice.between(20s, 10min);
    world.config = draw_config(dice, detect_within, world.item_pause);
    world.liveness = plan_liveness(detect_within).value();
    world.safe = safe_outage(world.liveness);
    for (std::size_t i = 1 + dice.below(6); i > 0; --i) world.sites.push_back(draw_site(dice, world.liveness));
    world.devices = is_large ? 500 + dice.below(4'000) : 10 + dice.below(size == Size::small ? 100 : 800);
    world.length = std::max<milliseconds>(4 * detect_within, is_large ? 2h : 30min);
    if (size == Size::quiet) world.length = 24h, world.devices = 8'000;
    world.pauses = dice.chance(0.3);
    world.runs_short = dice.chance(0.2);
    world.sink_stops = dice.chance(0.2);
    return world;
}

std::string to_string(Kind kind) {
    constexpr std::array names{"sender",   "numbered", "quiet",     "sleeper", "slow",   "staller",
                               "vanisher", "leaver",   "impatient", "partial", "garbage"};
    return names[static_cast<std::size_t>(kind)];
}

std::string WorldPlan::text() const {
    constexpr std::array names{"calm", "outages", "partitions", "lossy", "slow", "nat"};
    const ListenerConfig& listener = config.listeners[0];
    const auto seconds = [](milliseconds time) { return std::to_string(time.count() / 1000) + " s"; };
    std::string text = "seed " + std::to_string(seed) + ": detect_within " + seconds(listener.detect_within) + ", " +
                       std::to_string(devices) + " devices, " + seconds(length) + ", an item each " +
                       seconds(item_pause) + (listener.read_idle ? ", read_idle" : "") +
                       (listener.write_stall ? ", write_stall " + seconds(*listener.write_stall) : "") +
                       (config.canaries ? ", canaries" : "") + (pauses ? ", pauses" : "") +
                       (runs_short ? ", short of memory" : "") + (sink_stops ? ", sink stops" : "") + "; sites:";
    for (const Site& site : sites) text += std::string(" ") + names[static_cast<std::size_t>(site.regime)];
    return text;
}

}  // namespace holdfast
