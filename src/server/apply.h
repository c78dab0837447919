#pragma once

#include <memory>
#include <vector>

#include <holdfast/result.h>
#include <holdfast/server.h>

#include "base/clock.h"
#include "conn/admission.h"
#include "server/notice_gate.h"
#include "server/running.h"
#include "server/worker.h"

namespace holdfast {

/// What a new configuration is applied to. One application at a time; the caller's thread, which waits for each reactor
/// to have taken it over.
struct ApplyParts {
    const Clock& clock;
    RunningNow& running;
    Admission& admission;
    NoticeGate& notices;
    const std::vector<std::unique_ptr<Worker>>& workers;
};

/// Checks, proves and binds first; from then on nothing can fail. On an error nothing has changed.
[[nodiscard]] Result<ApplyReport> apply_config(const ApplyParts& parts, const ServerConfig& wanted);

}  // namespace holdfast
