#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/server.h>

namespace holdfast {

/// What became of a command to a device: docs/FLEET.md.
struct CommandAnswer {
    /// "sent", "acked" or "absent"; "queue_full": the device does not read, nothing was sent; "refused": it is none.
    std::string result;
    std::string id;
    std::string gateway = {};  ///< that has the device, or had it last; empty: none
    std::string conn = {};
    std::string detail = {};
};

/// Whether a device is there, asked of its kernel.
struct FleetProbeAnswer {
    std::string id;
    std::string gateway;
    std::string conn;
    bool alive = false;
    std::chrono::milliseconds waited{};
    std::chrono::milliseconds last_heard{};
    std::chrono::microseconds rtt{};
};

// As JSON between gateways and to whoever asks. Reading gives nothing if it is none. Pure.
[[nodiscard]] std::string to_json(const CommandAnswer& answer);
[[nodiscard]] std::optional<CommandAnswer> read_command_answer(std::string_view json);
[[nodiscard]] std::string to_json(const FleetProbeAnswer& answer);
[[nodiscard]] std::optional<FleetProbeAnswer> read_probe_answer(std::string_view json);

}  // namespace holdfast
