#pragma once

#include <string>

#include "base/clock.h"
#include "fleet/presence.h"

namespace holdfast {

// Lines of events that this gateway tells in place of another, or of itself after it was given up; with their '\n', as
// docs/EVENTS.md has them. Pure.

/// `closed` with reason gateway_lost: what the lost gateway knew of the connection, bytes and evidence, is lost too.
[[nodiscard]] std::string lost_line(const LostLife& life, const std::string& by, WallTime at);
/// `connected` with "returned":true: the connection is the one that was told as lost.
[[nodiscard]] std::string returned_line(const std::string& id, const PresenceRecord& record, WallTime at);

}  // namespace holdfast
