#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Result of a command to a device: docs/explanation/fleet.md.
struct CommandAnswer {
    /// "sent", "acked" or "absent"; "queue_full": the device does not read, nothing was sent; "refused": not a valid
    /// message.
    std::string result;
    std::string id;
    std::string gateway = {};  ///< the gateway that holds the device, or held it last; empty if none
    std::string conn = {};
    std::string detail = {};
};

// Convert to and from JSON. Parsing returns nullopt for other texts. Pure.
[[nodiscard]] std::string to_json(const CommandAnswer& answer);
[[nodiscard]] std::optional<CommandAnswer> read_command_answer(std::string_view json);

}  // namespace holdfast
