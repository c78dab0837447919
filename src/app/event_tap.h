#pragma once

#include <cstdint>
#include <memory>

#include <holdfast/events.h>

#include "trend/event_hub.h"

namespace holdfast {

/// Of one kind, one reactor and one second of its wall clock; more are counted as skipped.
inline constexpr std::uint64_t most_tapped_per_second = 200;

/// Hands every call on to `inner` and, while somebody follows the live feed, shows it the events as the sink's very
/// lines (`identified` among those of the kind `connected`). Costs one relaxed load an event while nobody does. The hub
/// must outlive it.
[[nodiscard]] std::unique_ptr<EventHandler> tap_events(std::unique_ptr<EventHandler> inner, EventHub& hub);

}  // namespace holdfast
