#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "options/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// Returns every error of `config` as a whole: of the server's part, the sink, the admin API and the files that they
/// name, which are read. Creates and binds nothing.
[[nodiscard]] std::vector<Violation> find_violations(const DaemonConfig& config);

/// Returns what is allowed but probably not wanted.
[[nodiscard]] std::vector<Violation> find_warnings(const DaemonConfig& config);

/// Returns the names in `required_groups`, without the white space around them. Pure.
[[nodiscard]] std::vector<std::string> group_names(std::string_view list);

/// Returns whether a gateway with this configuration has keys, tokens or passwords in its memory. Pure.
[[nodiscard]] bool holds_secrets(const DaemonConfig& config);

// Parts of find_violations() and find_warnings().

void check_sink(const DaemonConfig& config, std::vector<Violation>& out);
void check_admin(const DaemonConfig& config, std::vector<Violation>& out);
void warn_of_admin(const AdminConfig& admin, std::vector<Violation>& out);
/// Warns of exposure to strangers: everyone trusted as a proxy, tokens readable on the way, a public address without a
/// limit for one peer.
void warn_of_exposure(const ServerConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
