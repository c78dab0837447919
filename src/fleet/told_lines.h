#pragma once

#include <string>

#include "base/clock.h"
#include "fleet/presence.h"

namespace holdfast {

// Lines of events that this gateway tells in place of another, or of itself after it was given up; with their '\n', as
// docs/reference/events.md has them. Pure.

/// Returns `closed` with reason gateway_lost. The bytes and the evidence of the lost gateway are lost too.
[[nodiscard]] std::string lost_line(const LostLife& life, const std::string& by, WallTime at);
/// Returns `connected` with "returned":true, for a connection that was reported as lost.
[[nodiscard]] std::string returned_line(const std::string& id, const PresenceRecord& record, WallTime at);

}  // namespace holdfast
