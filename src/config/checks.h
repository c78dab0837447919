#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "options/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// Returns every error of `config`: of the server's part, the sink, the admin API and the files that they name. Reads
/// the files; creates and binds nothing.
[[nodiscard]] std::vector<Violation> find_violations(const DaemonConfig& config);

/// Returns settings that are allowed but probably not intended.
[[nodiscard]] std::vector<Violation> find_warnings(const DaemonConfig& config);

/// Returns why the listener's read_idle is too short for its detect_within, or nullopt. Pure.
[[nodiscard]] std::optional<std::string> warning_of_read_idle(const ListenerConfig& listener);

/// Returns the names in `required_groups`, without surrounding white space. Pure.
[[nodiscard]] std::vector<std::string> group_names(std::string_view list);

/// Returns true if a gateway with this configuration holds keys, tokens or passwords in memory. Pure.
[[nodiscard]] bool holds_secrets(const DaemonConfig& config);

// Parts of find_violations() and find_warnings().

void check_sink(const DaemonConfig& config, std::vector<Violation>& out);
void check_admin(const DaemonConfig& config, std::vector<Violation>& out);
void check_alarm(const AlarmConfig& alarm, std::vector<Violation>& out);
void warn_of_admin(const AdminConfig& admin, std::vector<Violation>& out);
/// Warns of exposure to the network: every proxy trusted, tokens sent in plain text, a public address without a limit
/// per peer.
void warn_of_exposure(const ServerConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
