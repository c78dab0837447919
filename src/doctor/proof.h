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

/// Fate of a device: it ends or vanishes, or it lives through a disturbance that must not end it.
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
    outage_idle,       ///< nothing reaches it for just less than the safe outage
    outage_in_flight,  ///< likewise, with data of the gateway in flight
    delay,             ///< its round trip rises to the safe one
    pause,             ///< the gateway is absent for longer than read_idle while the device sends
};

/// A fate and the promise for it. Without a reason the device lives, and nothing may end it.
struct ProofRow {
    Way way{};
    std::string id;    ///< "in_flight"
    std::string what;  ///< "vanishes with data in flight"
    std::optional<CloseReason> expected;
    std::chrono::milliseconds promised{};  ///< from the last sign of life to the closed event
};

/// Returns how long the gateway of the row `pause` is absent; its read_idle is shorter. Pure.
[[nodiscard]] std::chrono::milliseconds pause_length(const LivenessPlan& plan);
inline constexpr std::chrono::milliseconds read_idle_of_pause{2'000};

/// Returns the length of the outages of the rows `outage_idle` and `outage_in_flight`: just below the promised one.
/// Pure.
[[nodiscard]] std::chrono::milliseconds outage_length(std::chrono::milliseconds safe_outage);

/// Returns the plan's safe outage with data in flight; the retransmission timeout is capped if `rto_max` is set. Pure.
[[nodiscard]] std::chrono::milliseconds safe_outage_in_flight(const LivenessPlan& plan);

/// Returns the rows in their order of display: first the ways to end, then the living devices that nothing may end
/// (P0). An outage too short to be measured (detect_within near 3 s) has no row. Pure.
[[nodiscard]] std::vector<ProofRow> proof_table(const LivenessPlan& plan);

/// Measured fate of one connection.
struct Outcome {
    SteadyTime last_sign;  ///< of life
    std::optional<SteadyTime> closed_at;
    CloseReason reason{};  ///< if it was closed
};

/// A row with its measurements.
struct ProvedRow {
    ProofRow row;
    std::size_t connections = 0;
    std::size_t found = 0;                                  ///< closed during the observation
    std::vector<std::pair<CloseReason, std::size_t>> seen;  ///< most frequent first
    std::optional<std::chrono::microseconds> median;        ///< of the closed ones
    std::optional<std::chrono::microseconds> worst;
    bool kept = false;
};

/// Compares the outcomes with the promise. Pure.
[[nodiscard]] ProvedRow classify(const ProofRow& row, const std::vector<Outcome>& outcomes);

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
