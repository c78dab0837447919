#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <holdfast/watch.h>

#include "server/reconcile.h"
#include "server/worker.h"

namespace holdfast {

/// Questions to all reactors whose answers are lists, one paced walk each. Any thread but theirs; each blocks until
/// every reactor has answered.
using Workers = std::vector<std::unique_ptr<Worker>>;

[[nodiscard]] Observations take_observations(const Workers& workers);
[[nodiscard]] std::vector<CensusEntry> take_census(const Workers& workers);
/// `name_of` is called on the reactors' threads with a listener's number.
[[nodiscard]] std::vector<HeldSocket> held_sockets(const Workers& workers, std::uint32_t run,
                                                   const std::function<std::string(std::uint8_t)>& name_of);

}  // namespace holdfast
