#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/liveness.h>

namespace holdfast {

/// Random numbers of a world. The same seed gives the same world.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}

    [[nodiscard]] bool chance(double probability) { return unit() < probability; }
    [[nodiscard]] double unit() { return static_cast<double>(engine_() >> 11U) * 0x1.0p-53; }
    /// Returns a number from 0 to `end` - 1.
    [[nodiscard]] std::size_t below(std::size_t end) { return static_cast<std::size_t>(engine_() % end); }
    /// Returns a time whose logarithm is uniform.
    [[nodiscard]] std::chrono::milliseconds log_between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
        const double ratio = static_cast<double>(high.count()) / static_cast<double>(low.count());
        return std::chrono::milliseconds(
            static_cast<std::int64_t>(static_cast<double>(low.count()) * std::pow(ratio, unit())));
    }
    [[nodiscard]] std::chrono::milliseconds between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
        return low +
               std::chrono::milliseconds(static_cast<std::int64_t>(unit() * static_cast<double>((high - low).count())));
    }

private:
    std::mt19937_64 engine_;
};

/// Faults of the network that a site's devices share. One kind per site, so that their effects can be separated.
enum class Regime : std::uint8_t { calm, outages, partitions, lossy, slow, nat };

/// Device behaviours. Each kind has its own reasons to end.
enum class Kind : std::uint8_t {
    sender,     ///< sends items, reads its answers
    numbered,   ///< likewise, with a session and acks
    quiet,      ///< sends nothing after its first item
    sleeper,    ///< sleeps now and then, for less than the safe outage
    slow,       ///< reads slowly
    staller,    ///< stops reading
    vanisher,   ///< loses power
    leaver,     ///< closes, or half-closes, or resets
    impatient,  ///< connects again without an end of the connection before
    partial,    ///< begins an item and does not end it
    garbage,    ///< sends what is no JSON
};
[[nodiscard]] std::string to_string(Kind kind);
inline constexpr std::size_t kinds = static_cast<std::size_t>(Kind::garbage) + 1;

/// A site of devices: the last byte of 10.0.x.0/24.
struct Site {
    Regime regime{};
    std::chrono::milliseconds delay{};  ///< one way
    double loss = 0;
    std::chrono::milliseconds nat{};
};

/// Everything about a world that is drawn before it begins.
struct WorldPlan {
    std::uint64_t seed = 0;
    ServerConfig config;
    LivenessPlan liveness;             ///< of the longest detect_within
    LivenessPlan tightest;             ///< of the shortest
    std::chrono::milliseconds safe{};  ///< outage that must close nothing
    std::vector<Site> sites;
    std::size_t devices = 0;
    std::chrono::milliseconds length{};
    std::chrono::milliseconds item_pause{};   ///< mean time between a device's items
    std::chrono::milliseconds fault_pause{};  ///< most time between a fault and the next of its kind
    double bursts = 0.1;                      ///< share of the sends with up to 50 items
    std::array<double, kinds> shares{};       ///< of the kinds of devices; the sum is 1
    bool pauses = false;                      ///< of the gateway's process
    bool runs_short = false;                  ///< of memory
    bool sink_stops = false;
    std::optional<ServerConfig> other;  ///< configuration of reloads, with a shorter detect_within
    bool crashes = false;               ///< of the process, and of the power
    bool keeper = false;                ///< crashes of the process, which its connections outlive

    [[nodiscard]] Kind draw_kind(Dice& dice) const;
    [[nodiscard]] std::string text() const;
};

/// Classes of worlds. In `violent` ones each kind of device and of fault is frequent; `small` ones are those with few
/// devices and a short `detect_within`. A `fleet` is what gateways hold: most devices send seldom, and faults are rare.
/// `spool` is a small world with a spool on a disk, and crashes. `mixed` draws a small world in one half of cases, a
/// violent one in 1 of 40, else a fleet.
enum class WorldClass : std::uint8_t { mixed, violent, small, fleet, spool };

/// Draws the world of a seed.
[[nodiscard]] WorldPlan draw_world(std::uint64_t seed, WorldClass wanted);

}  // namespace holdfast
