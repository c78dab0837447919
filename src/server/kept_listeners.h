#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <holdfast/result.h>

#include "base/clock.h"
#include "conn/kept_reactor.h"
#include "conn/shard.h"
#include "server/active_config.h"
#include "server/kept_state.h"
#include "server/listeners.h"

namespace holdfast {

/// Opens the kept state in the memory file; null without one.
[[nodiscard]] Result<std::unique_ptr<KeptState>> open_kept(std::optional<int> descriptor);

/// Returns what each reactor takes over, as long as the state still has the earlier process's listeners.
[[nodiscard]] std::vector<Heritage> heritage_of(KeptState& kept, const Running& running, SteadyTime now);

/// Adds the address of the earlier process to each listener that has another now: its connections have the former one.
void add_former_addresses(const KeptState& kept, Running& running);

/// Notes the listeners of a start, before the reactors take their sockets.
void note_listeners(KeptState& kept, const Running& running, const std::vector<BoundListener>& bound);
/// Notes the listeners of a new configuration, before the reactors apply it.
void note_listeners(KeptState& kept, const Running& running);
/// Notes the sockets of a reactor after it applied a configuration. Its thread.
void note_sockets(KeptState& kept, Shard& shard);

}  // namespace holdfast
