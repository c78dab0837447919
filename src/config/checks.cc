#include "config/checks.h"

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "base/http_url.h"
#include "base/printable.h"
#include "base/units.h"
#include "config/admin_check.h"
#include "config/exposure_check.h"
#include "config/sink_check.h"
#include "config/tls_check.h"
#include "config/tokens_check.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

void check_alarm(const AlarmConfig& alarm, Violations& out) {
    const auto wrong = check_webhook_url(alarm.webhook);
    if (wrong) out.push_back({std::nullopt, "alarm", "webhook", "webhook in [alarm]: " + *wrong});
}

std::string one_decimal(double number) {
    char text[64];
    std::snprintf(text, sizeof text, number < 10 ? "%.1f" : "%.0f", number);
    return text;
}

void warn_of_liveness(const ListenerConfig& listener, std::size_t index, Violations& out) {
    const auto report = [&](std::string_view option, const std::string& message) {
        out.push_back({index, "listener", option, "listener " + in_quotes(listener.name) + ": " + message});
    };
    if (listener.write_stall && *listener.write_stall > listener.detect_within) {
        report("write_stall", "write_stall " + format_duration(*listener.write_stall) +
                                  " is longer than detect_within " + format_duration(listener.detect_within) +
                                  ": a device that answers but reads nothing stays for write_stall");
    }
    const auto plan = plan_liveness(listener.detect_within);
    // From 10 s on there is always room for five probes.
    if (plan && plan.value().lost_probes_tolerated < 4) {
        const int lost = plan.value().lost_probes_tolerated;
        const double deaths = 10'000 * false_deaths_per_day(plan.value(), 0.01);
        report("detect_within",
               "detect_within " + format_duration(listener.detect_within) + " tolerates " + std::to_string(lost) +
                   (lost == 1 ? " lost probe: at 1 % loss, " : " lost probes in a row: at 1 % loss, ") +
                   one_decimal(deaths) +
                   " of 10,000 idle connections a day are closed though alive; 10s or more tolerates 4");
    }
}

}  // namespace

std::vector<Violation> find_violations(const DaemonConfig& config) {
    Violations out = find_violations(config.server);
    check_sink(config, out);
    check_admin(config, out);
    check_alarm(config.alarm, out);
    check_tls_files(config.server, out);
    check_tokens_files(config.server, out);
    return out;
}

std::vector<Violation> find_warnings(const DaemonConfig& config) {
    Violations out;
    for (std::size_t i = 0; i < config.server.listeners.size(); ++i) {
        warn_of_liveness(config.server.listeners[i], i, out);
    }
    warn_of_exposure(config.server, out);
    warn_of_tls_files(config.server, out);
    warn_of_admin(config.admin, out);
    return out;
}

}  // namespace holdfast
