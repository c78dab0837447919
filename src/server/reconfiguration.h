#pragma once

#include <memory>
#include <vector>

#include <holdfast/result.h>
#include <holdfast/status.h>

#include "base/clock.h"
#include "conn/admission.h"
#include "pipeline/notice_limiter.h"
#include "server/active_config.h"
#include "server/kept_state.h"
#include "server/reactor_thread.h"

namespace holdfast {

/// The parts of the server that a reload changes. One reload at a time, on the caller's thread, which waits until each
/// reactor has applied it.
struct ApplyParts {
    const Clock& clock;
    ActiveConfig& running;
    Admission& admission;
    NoticeLimiter& notices;
    const std::vector<std::unique_ptr<ReactorThread>>& threads;
    KeptState* kept = nullptr;  ///< null: nothing outlives the process
    /// The only reactor runs on the caller's thread, between turns. Plans need no proof, and listeners stay.
    bool is_simulated = false;
};

/// Checks, proves and binds first; after that nothing can fail. On an error nothing has changed.
[[nodiscard]] Result<ApplyReport> apply_config(const ApplyParts& parts, const ServerConfig& wanted);

}  // namespace holdfast
