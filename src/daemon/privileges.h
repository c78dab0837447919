#pragma once

#include <optional>
#include <string>

#include <holdfast/result.h>

#include "options/daemon_config.h"

namespace holdfast {

// These set the rights of the process. Call them before the process opens anything or starts a thread, because threads
// inherit the rights.

/// Changes a process of root to `user` and the groups of that user, permanently. Keeps no capability except
/// CAP_NET_BIND_SERVICE, and that only if `keeps_low_ports`. Does nothing if the process is `user` already. Returns an
/// error if a process of another user than root requests a change.
[[nodiscard]] std::optional<Error> become(const std::string& user, bool keeps_low_ports);

/// Makes new files of the process inaccessible for users outside its group (umask(2)). Sets no_new_privs, so that
/// programs that it executes gain no rights.
void keep_to_itself();

/// Raises the soft limit of descriptors to the hard limit, because each connection takes one.
void raise_descriptor_limit();

/// Excludes its memory from core files, and stops other processes of the same user from reading it. Later calls are
/// allowed.
void keep_memory_secret();

/// Returns true if a listener or the admin API has a port below 1024.
[[nodiscard]] bool binds_low_ports(const DaemonConfig& config);

}  // namespace holdfast
