#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "alarm/alarm.h"
#include "options/daemon_config.h"

namespace holdfast {

/// Decides which changes of alarms the webhook receives. Until its end, none of an acknowledged alarm. For Slack, one a
/// minute and alarm; for Alertmanager, all. Owns the time of each active alarm's latest message. One thread.
class WebhookPace {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::minutes every{1};

    /// Returns true if the webhook receives this news.
    [[nodiscard]] bool wants(WebhookForm form, const Alarm& alarm, Time now);
    /// Returns true if it is time to send all active alarms again.
    [[nodiscard]] bool repeats(WebhookForm form, Time now);

private:
    std::map<std::uint64_t, Time> sent_;  // by the id of an active alarm
    Time repeated_{};
};

}  // namespace holdfast
