#pragma once

#include <span>
#include <string>

#include "alarm/alarm.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The gateway as messages about its alarms name it.
struct AlarmOrigin {
    std::string gateway;
    std::string dashboard;  ///< URL of the dashboard, ending in '/'; empty: there is none
};

// These render alarms for the webhook, as docs/tasks/alarms.md shows them. Pure.

/// Renders one alarm. `now` is the time of the message.
[[nodiscard]] std::string webhook_message(WebhookForm form, const Alarm& alarm, const AlarmOrigin& origin,
                                          EventTime now);
/// Renders the body of Alertmanager's POST /api/v2/alerts. An active alert expires four minutes after `now` unless it
/// is sent again.
[[nodiscard]] std::string alertmanager_message(std::span<const Alarm> alarms, const AlarmOrigin& origin, EventTime now);

}  // namespace holdfast
