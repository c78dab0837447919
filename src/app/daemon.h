#pragma once

#include "app/serve_options.h"
#include "config/load.h"

namespace holdfast {

/// Runs the gateway until SIGTERM or SIGINT (drains; a second one stops at once) or until its sink is lost. Returns the
/// exit code: 0 after an orderly stop, 1 when events could not be handed on, 2 when it could not start. `loaded` is
/// what `options` were loaded to; on SIGHUP they are loaded again.
int serve(const LoadedConfig& loaded, const ServeOptions& options);

}  // namespace holdfast
