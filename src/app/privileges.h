#pragma once

#include <optional>
#include <string>

#include <holdfast/result.h>

#include "options/daemon_config.h"

namespace holdfast {

// What the process may do. Called at the start, before it opens anything and before there is another thread: threads
// inherit all of it.

/// A process of root's becomes `user`, for good: his groups, no capability but the one to bind a port below 1024, and
/// that only if `keeps_low_ports`. Nothing can give him more (no_new_privs). What another user asks for is an error.
[[nodiscard]] std::optional<Error> become(const std::string& user, bool keeps_low_ports);

/// Nobody else on this host can read its files; programs that it might start get no new rights.
void keep_to_itself();

/// Its memory goes into no core file, and no process of the same user may look into it. May be called later, too.
void keep_memory_secret();

/// Whether a listener or the admin API has a port below 1024.
[[nodiscard]] bool binds_low_ports(const DaemonConfig& config);

}  // namespace holdfast
