#pragma once

#include <memory>

#include <holdfast/events.h>

namespace holdfast {

/// Returns a handler that passes each call to `first` and then to `last`, which decides about durability. Only
/// `first` decides about hellos.
[[nodiscard]] std::unique_ptr<EventHandler> tee_events(std::unique_ptr<EventHandler> first,
                                                       std::unique_ptr<EventHandler> last);

}  // namespace holdfast
