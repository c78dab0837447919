#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <holdfast/server.h>

#include "daemon/log.h"
#include "options/daemon_config.h"
#include "server/kept_state.h"

namespace holdfast {

/// Everything that a keeper gives its worker.
struct WorkerSeat {
    int state = -1;          ///< memory file of the connections: see ServerConfig::kept_state
    int notifications = -1;  ///< socket that takes what the worker has to say to the service manager
    pid_t keeper = 0;
    std::vector<int> others;     ///< descriptors of the keeper, or older than it
    bool follows_crash = false;  ///< a worker before it has ended; set by take_seat()
    std::string discarded;       ///< why the state of the worker before could not be used; set by take_seat()
};

/// Makes this process a worker that ends with its keeper. Closes what the worker before left open, except for its
/// connections and listening sockets. Call it before anything is opened, with one thread.
void take_seat(WorkerSeat& seat);

/// Returns why the admin API could not be opened now. A worker that could not start has then read no item that would be
/// lost with it. Only behind a crash; null: no keeper.
[[nodiscard]] std::optional<Error> find_admin_fault(const WorkerSeat* seat, const AdminConfig& config, Log& log);

/// Runs a worker's start. If it fails, prints the error and ends the process without destructors, which would close the
/// connections: the next worker takes them over. So it returns no error.
[[nodiscard]] std::optional<Error> start_or_leave_seat(const std::function<std::optional<Error>()>& start);

/// Logs what the server took over from the worker before. Waits for its first turn.
void report_takeover(const WorkerSeat& seat, const Server& server, Log& log);

/// The connections of the worker before, while the spool is recovered. One thread.
class KeptConnections {
public:
    /// Reads the connections that a gateway with this configuration takes over; none without a seat.
    KeptConnections(const WorkerSeat* seat, const DaemonConfig& config);

    /// Returns true if the connection lives, and notes that the spool has its `connected` event. `has_id`: and the id
    /// of its device.
    [[nodiscard]] bool holds(const std::string& conn, bool has_id);
    /// Makes the gateway report the connections again that the spool does not have.
    void report_missing();

private:
    std::unique_ptr<KeptState> state_;  // null: there are none
    std::set<std::string> missing_;
    std::set<std::string> reported_;
};

}  // namespace holdfast
