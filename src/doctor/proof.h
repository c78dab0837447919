#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/liveness.h>
#include <holdfast/reason.h>

#include "base/clock.h"

namespace holdfast {

/// Fate of a device: it ends or vanishes, or it lives through something that no gateway may take for its end.
enum class Way : std::uint8_t {
    fin,
    reset,
    idle,
    in_flight,
    probing,
    zero_window,
    unreachable,
    quiet,
    talking,
    outage_idle,       ///< nothing arrives at it for just less than the safe outage
    outage_in_flight,  ///< the same, with data of the gateway in flight
    delay,             ///< its round trip rises to the safe one
    pause,             ///< the gateway is absent for longer than read_idle while the device sends
};

/// One way to die and what is promised for it; no reason: it lives, and nothing may end it.
struct DeathRow {
    Way way{};
    std::string id;    ///< "in_flight"
    std::string what;  ///< "vanishes with data in flight"
    std::optional<CloseReason> expected;
    std::chrono::milliseconds promised{};  ///< from the last sign of life to the closed event
};

/// How long the gateway of the row `pause` is absent, and the read_idle of that gateway, which is shorter. Pure.
[[nodiscard]] std::chrono::milliseconds pause_length(const LivenessPlan& plan);
inline constexpr std::chrono::milliseconds read_idle_of_pause{2'000};

/// How long the outage of the rows `outage_idle` and `outage_in_flight` lasts: just below what the plan promises. Pure.
[[nodiscard]] std::chrono::milliseconds outage_length(std::chrono::milliseconds safe_outage);

/// Returns the plan's safe outage with data in flight: with the retransmission time-out capped if `rto_max` is set.
/// Pure.
[[nodiscard]] std::chrono::milliseconds safe_outage_in_flight(const LivenessPlan& plan);

/// The rows of the death table, in the order in which they are shown: first the ways to end, then P0, the living that
/// nothing may end. An outage that is too short to be measured (detect_within near 3 s) has no row. Pure.
[[nodiscard]] std::vector<DeathRow> death_table(const LivenessPlan& plan);

/// What became of one connection.
struct Outcome {
    SteadyTime last_sign;  ///< of life
    std::optional<SteadyTime> closed_at;
    CloseReason reason{};  ///< where it was closed
};

/// A row with what was measured.
struct ProvedRow {
    DeathRow row;
    std::size_t connections = 0;
    std::size_t found = 0;                                  ///< closed while one watched
    std::vector<std::pair<CloseReason, std::size_t>> seen;  ///< most frequent first
    std::optional<std::chrono::microseconds> median;        ///< of those that were closed
    std::optional<std::chrono::microseconds> worst;
    bool kept = false;
};

/// Pure.
[[nodiscard]] ProvedRow judge(const DeathRow& row, const std::vector<Outcome>& outcomes);

/// The whole table, measured on this host.
struct Proof {
    LivenessPlan plan;
    std::string kernel;
    std::chrono::milliseconds took{};
    std::vector<ProvedRow> rows;

    [[nodiscard]] bool kept() const;
};

[[nodiscard]] std::string to_json(const Proof& proof);

}  // namespace holdfast
