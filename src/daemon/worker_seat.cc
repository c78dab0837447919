#include "daemon/worker_seat.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include <holdfast/events.h>

#include "base/keeper_page.h"
#include "daemon/admin_endpoints.h"
#include "daemon/exit.h"
#include "daemon/signals.h"
#include "daemon/stopped_gateway.h"
#include "text/units.h"

namespace holdfast {

void take_seat(WorkerSeat& seat) {
    end_with(seat.keeper);
    sigset_t of_keeper;
    sigemptyset(&of_keeper);
    sigaddset(&of_keeper, SIGCHLD);
    ::pthread_sigmask(SIG_UNBLOCK, &of_keeper, nullptr);
    KeeperPage page;
    seat.follows_crash = ::pread(seat.state, &page, sizeof page, 0) == sizeof page && page.workers > 0;
    auto state = KeptState::open(seat.state);
    if (!state) {
        seat.discarded = state.error().message;
        KeptState::discard(seat.state);
        state = KeptState::open(seat.state);
    }
    if (state) state.value()->close_others(seat.others);
}

std::optional<Error> find_admin_fault(const WorkerSeat* seat, const AdminConfig& config, Log& log) {
    if (seat == nullptr || !seat->follows_crash) return std::nullopt;
    StoppedGateway gateway;
    AdminEndpoints trial(log);
    return trial.open(config, gateway, {});
}

std::optional<Error> start_or_leave_seat(const std::function<std::optional<Error>()>& start) {
    try {
        const auto error = start();
        if (!error) return std::nullopt;
        print_error(error->message);
    } catch (const std::exception& failure) {
        print_error(std::string("cannot start: ") + failure.what());
    }
    std::cout.flush();
    ::_exit(exit_wrong_usage);
}

void report_takeover(const WorkerSeat& seat, const Server& server, Log& log) {
    if (!seat.discarded.empty()) log.error("closed the connections of the worker before: " + seat.discarded);
    const auto takeover = server.takeover();
    if (!takeover) return;
    log.warn("worker restarted", {{"connections_kept", std::to_string(takeover->kept)},
                                  {"connections_closed", std::to_string(takeover->closed)},
                                  {"resynchronized", std::to_string(takeover->resynchronized)},
                                  {"downtime", format_duration(takeover->downtime)}});
    for (const ConnectionId& id : takeover->cut)
        log.warn("lost a part of an item, and goes on behind it", {{"connection", to_string(id)}});
}

KeptConnections::KeptConnections(const WorkerSeat* seat, const DaemonConfig& config) {
    if (seat == nullptr) return;
    auto state = KeptState::open(seat->state);
    if (!state || !state.value()->shape()) return;
    state_ = std::move(state).value();
    const auto has_listener = [&config](std::string_view name) {
        const auto& all = config.server.listeners;
        return std::any_of(all.begin(), all.end(), [name](const ListenerConfig& each) { return each.name == name; });
    };
    state_->each_connection(has_listener, [this](ConnectionId id) { missing_.insert(to_string(id)); });
}

bool KeptConnections::holds(const std::string& conn, bool has_id) {
    const auto found = missing_.extract(conn);
    if (found.empty()) return reported_.contains(conn);
    const auto id = parse_connection_id(conn);
    if (!has_id && id) state_->report_again(*id, true);
    reported_.insert(conn);
    return true;
}

void KeptConnections::report_missing() {
    for (const std::string& conn : missing_) {
        if (const auto id = parse_connection_id(conn)) state_->report_again(*id);
    }
    missing_.clear();
}

}  // namespace holdfast
