#pragma once

#include <cstdint>
#include <memory>

#include <holdfast/events.h>

#include "trend/event_hub.h"

namespace holdfast {

/// Limit of one kind of one reactor in one second of its wall clock. Further events are counted as skipped.
inline constexpr std::uint64_t max_tapped_per_second = 200;
/// Limit per second of events that a subscriber's filter selects.
inline constexpr std::uint64_t max_chosen_per_second = 1'000;

/// Returns a handler that forwards every call to `inner`. While the live feed has subscribers, it also publishes the
/// events, as the lines that the sink writes. `identified` is among those of the kind `connected`. Without subscribers
/// it costs one relaxed load for each event. The hub must outlive it.
[[nodiscard]] std::unique_ptr<EventHandler> tap_events(std::unique_ptr<EventHandler> inner, EventHub& hub);

}  // namespace holdfast
