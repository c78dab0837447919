#pragma once

#include <string>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/server.h>

namespace holdfast {

/// What `wanted` says that `running` does not, in lines for people. Keys that need a restart go to needs_restart, with
/// the running value and the new one; all others to applied. Pure.
void report_differences(const ServerConfig& running, const ServerConfig& wanted, ApplyReport& out);
/// The same for one listener that both have.
void report_differences(const ListenerConfig& running, const ListenerConfig& wanted, ApplyReport& out);

/// `wanted`, with the running value where a restart is needed.
[[nodiscard]] ServerConfig without_restart(const ServerConfig& running, ServerConfig wanted);
[[nodiscard]] ListenerConfig without_restart(const ListenerConfig& running, ListenerConfig wanted);

}  // namespace holdfast
