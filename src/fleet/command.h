#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// What became of a command to a device: docs/explanation/fleet.md.
struct CommandAnswer {
    /// "sent", "acked" or "absent"; "queue_full": the device does not read, nothing was sent; "refused": it is none.
    std::string result;
    std::string id;
    std::string gateway = {};  ///< that has the device, or had it last; empty: none
    std::string conn = {};
    std::string detail = {};
};

// As JSON. Reading gives nothing if it is none. Pure.
[[nodiscard]] std::string to_json(const CommandAnswer& answer);
[[nodiscard]] std::optional<CommandAnswer> read_command_answer(std::string_view json);

}  // namespace holdfast
