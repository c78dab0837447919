#include "world_plan.h"

#include <algorithm>
#include <array>

namespace holdfast {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

Site draw_site(Dice& dice, const LivenessPlan& plan, Regime regime) {
    Site site{.regime = regime, .delay = dice.between(0ms, 150ms)};
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

/// Draws what worlds of all classes have, once the plan is known.
void draw_rest(WorldPlan& world, Dice& dice, milliseconds detect_within) {
    world.config = draw_config(dice, detect_within, world.item_pause);
    world.liveness = plan_liveness(detect_within).value();
    world.tightest = world.liveness;
    if (dice.chance(0.3)) {
        world.other = world.config;
        ListenerConfig& listener = world.other->listeners[0];
        const milliseconds shorter =
            std::chrono::floor<std::chrono::seconds>(dice.between(detect_within / 2, detect_within));
        listener.detect_within = std::max<milliseconds>(3s, shorter);
        listener.max_bad_items = static_cast<std::uint16_t>(1 + dice.below(20));
        world.tightest = plan_liveness(listener.detect_within).value();
    }
    world.safe = std::min(safe_outage(world.liveness), safe_outage(world.tightest));
    world.pauses = dice.chance(0.3);
    world.runs_short = dice.chance(0.2);
    world.sink_stops = dice.chance(0.2);
}

WorldPlan draw_violent(Dice& dice, bool is_small) {
    constexpr std::array bounds{3s, 5s, 10s, 15s, 30s, 60s, 300s, 600s, 600s, 1800s, 3600s};
    constexpr std::size_t small_bounds = 6;
    const milliseconds detect_within = bounds[dice.below(is_small ? small_bounds : bounds.size())];
    const bool is_large = detect_within >= 300s;
    WorldPlan world;
    world.item_pause = dice.between(20s, 10min);
    world.fault_pause = 3 * detect_within;
    world.shares.fill(0.6 / static_cast<double>(kinds));
    world.shares[static_cast<std::size_t>(Kind::sender)] += 0.4;
    draw_rest(world, dice, detect_within);
    for (std::size_t i = 1 + dice.below(6); i > 0; --i)
        world.sites.push_back(draw_site(dice, world.tightest, static_cast<Regime>(dice.below(6))));
    world.devices = is_large ? 200 + dice.below(2'000) : 10 + dice.below(is_small ? 100 : 800);
    world.length = std::max<milliseconds>(4 * detect_within, is_large ? 1h : 30min);
    return world;
}

Regime draw_regime(Dice& dice) {
    constexpr std::array regimes{Regime::calm,    Regime::calm, Regime::calm, Regime::calm,       Regime::outages,
                                 Regime::outages, Regime::slow, Regime::nat,  Regime::partitions, Regime::lossy};
    return regimes[dice.below(regimes.size())];
}

/// Draws a fleet. Its length follows detect_within, so that each fleet passes about as many bounds.
WorldPlan draw_fleet(Dice& dice) {
    const milliseconds detect_within = std::chrono::floor<std::chrono::seconds>(dice.log_between(5s, 10min));
    WorldPlan world;
    world.item_pause = dice.log_between(std::max<milliseconds>(5min, detect_within), 12h);
    world.fault_pause = dice.log_between(1h, 48h);
    constexpr double each = 0.01;
    world.shares.fill(each);
    world.shares[static_cast<std::size_t>(Kind::quiet)] = 0.15;
    world.shares[static_cast<std::size_t>(Kind::numbered)] = 0.15;
    world.shares[static_cast<std::size_t>(Kind::sender)] = 0.7 - each * (kinds - 3);
    draw_rest(world, dice, detect_within);
    for (std::size_t i = 2 + dice.below(11); i > 0; --i) {
        Site site = draw_site(dice, world.tightest, draw_regime(dice));
        if (site.regime == Regime::nat) site.nat = dice.log_between(1min, 4h);
        world.sites.push_back(site);
    }
    // Below 9 s, a gateway with more connections per core needs another network (docs/explanation/liveness.md).
    const milliseconds devices = detect_within < 10s ? dice.between(200ms, 900ms) : dice.log_between(1'000ms, 10'000ms);
    world.devices = static_cast<std::size_t>(devices.count());
    world.bursts = 0.02;
    world.length = std::max<milliseconds>(30min, dice.between(20 * detect_within, 100 * detect_within));
    return world;
}

WorldClass draw_class(Dice& dice) {
    if (dice.chance(0.5)) return WorldClass::small;
    return dice.chance(0.05) ? WorldClass::violent : WorldClass::fleet;
}

/// Draws a small world in which numbered devices are frequent, since only their items are acknowledged.
WorldPlan draw_with_spool(Dice& dice) {
    WorldPlan world = draw_violent(dice, true);
    for (double& share : world.shares) share /= 2;
    world.shares[static_cast<std::size_t>(Kind::numbered)] += 0.5;
    world.devices = 5 + dice.below(30);
    world.length = 20min;
    world.sink_stops = false;
    world.crashes = true;
    return world;
}

}  // namespace

WorldPlan draw_world(std::uint64_t seed, WorldClass wanted) {
    Dice dice(seed);
    if (wanted == WorldClass::mixed) wanted = draw_class(dice);
    const auto draw = [&dice, wanted] {
        if (wanted == WorldClass::fleet) return draw_fleet(dice);
        if (wanted == WorldClass::spool) return draw_with_spool(dice);
        return draw_violent(dice, wanted == WorldClass::small);
    };
    WorldPlan world = draw();
    world.seed = seed;
    world.keeper = wanted != WorldClass::spool && dice.chance(0.3);
    return world;
}

Kind WorldPlan::draw_kind(Dice& dice) const {
    double left = dice.unit();
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        if (left < shares[kind]) return static_cast<Kind>(kind);
        left -= shares[kind];
    }
    return Kind::sender;
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
                       (runs_short ? ", short of memory" : "") + (sink_stops ? ", sink stops" : "") +
                       (other ? ", reloads with " + seconds(other->listeners[0].detect_within) : "") +
                       (crashes ? ", crashes" : "") + (keeper ? ", crashes under a keeper" : "") + "; sites:";
    for (const Site& site : sites) text += std::string(" ") + names[static_cast<std::size_t>(site.regime)];
    return text;
}

}  // namespace holdfast
