#pragma once

#include "config/load.h"
#include "daemon/worker_seat.h"

namespace holdfast {

/// Runs the gateway until SIGTERM or SIGINT, or until its sink is lost. The first signal drains, a second one stops at
/// once. Returns 0 after an orderly stop, 1 if events could not be delivered, and 2 if the gateway could not start.
/// `loaded` is the configuration that `options` gave; SIGHUP loads it again. `seat`: what a keeper gave its worker, or
/// null.
int serve(const LoadedConfig& loaded, const ConfigSource& options, const WorkerSeat* seat = nullptr);

}  // namespace holdfast
