#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/worker_seat.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The part of the configuration that a keeper knows. Contains no secret.
struct KeeperOrder {
    std::string user;  ///< empty: it stays the user that it is
    bool binds_low_ports = false;
    LogConfig log;
    unsigned max_crashes = 0;  ///< see RestartPolicy

    friend bool operator==(const KeeperOrder& a, const KeeperOrder& b) {
        return a.user == b.user && a.binds_low_ports == b.binds_low_ports && a.log.level == b.log.level &&
               a.log.format == b.log.format && a.max_crashes == b.max_crashes;
    }
};

[[nodiscard]] KeeperOrder order_of(const DaemonConfig& config);
[[nodiscard]] std::string to_text(const KeeperOrder& order);
[[nodiscard]] std::optional<KeeperOrder> parse_order(const std::string& text);

/// Executes this program again with the same arguments, so that nothing of the configuration stays in its memory: see
/// take_order(). Returns an error, or not at all.
[[nodiscard]] Error become_keeper(const KeeperOrder& order, const char* const* argv);
/// Returns the order of this process if become_keeper() executed it. Removes the order from the environment.
[[nodiscard]] std::optional<KeeperOrder> take_order();

/// Runs `work` in worker processes that share the keeper's descriptors, and so holds connections, listening sockets and
/// their queues when a worker ends. Passes on SIGTERM, SIGINT and SIGHUP, the notifications for the service manager,
/// and ends a worker that does not turn. Returns the exit code of the last worker. The process has one thread.
[[nodiscard]] int run_keeper(const KeeperOrder& order, const std::function<int(WorkerSeat& seat)>& work);

}  // namespace holdfast
