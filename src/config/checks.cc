#include "config/checks.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "config/load.h"
#include "device/token_set.h"
#include "net/url.h"
#include "options/option.h"
#include "text/input_file.h"
#include "text/printable.h"
#include "text/units.h"
#include "tls/tls_context.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

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
                                  "; a device that answers but does not read stays open for write_stall");
    }
    if (const auto warning = warning_of_read_idle(listener)) report("read_idle", *warning);
    const auto plan = plan_liveness(listener.detect_within);
    // From 10 s on, five probes always fit.
    if (plan && plan.value().lost_probes_tolerated < 4) {
        const int lost = plan.value().lost_probes_tolerated;
        const double deaths = 10'000 * false_deaths_per_day(plan.value(), 0.01);
        report("detect_within",
               "detect_within " + format_duration(listener.detect_within) + " tolerates " + std::to_string(lost) +
                   (lost == 1 ? " lost probe: at 1 % loss, " : " lost probes in a row: at 1 % loss, ") +
                   one_decimal(deaths) +
                   " of 10,000 living idle connections a day are closed; choose 10s or more to tolerate 4");
    }
}

bool is_whole(const TlsConfig& tls) {
    return tls.enabled() && !tls.key.empty() && (tls.client == TlsClient::off || !tls.client_ca.empty());
}

/// Loads the files of a listener with TLS as the gateway does.
void check_tls_files(const ListenerConfig& listener, std::size_t index, Violations& errors, Violations& warnings) {
    if (!is_whole(listener.tls)) return;  // reported by validate()
    const auto about = [&](std::string_view option, const std::string& what) {
        return Violation{index, "listener", option, "listener " + in_quotes(listener.name) + ": " + what};
    };
    const auto loaded = TlsContext::load(listener.tls);
    if (const auto* fault = std::get_if<TlsFault>(&loaded)) {
        errors.push_back(about(fault->option, fault->message));
        return;
    }
    for (const std::string& warning : std::get<std::shared_ptr<const TlsContext>>(loaded)->warnings()) {
        warnings.push_back(about("tls_certificate", warning));
    }
}

/// Reads the listener's tokens_file like the start and a reload.
void check_tokens_file(const ListenerConfig& listener, std::size_t index, Violations& out) {
    if (listener.tokens_file.empty()) return;
    const auto tokens = TokenSet::load(listener.tokens_file);
    if (tokens) return;
    out.push_back(
        {index, "listener", "tokens_file", "listener " + in_quotes(listener.name) + ": " + tokens.error().message});
}

/// Rejects a state file that a save would replace by another kind of file.
void check_state_file(const DaemonConfig& config, Violations& out) {
    const std::string path = state_file_of(config);
    std::error_code error;
    const auto there = std::filesystem::status(path, error);
    if (path.empty() || !std::filesystem::exists(there) || std::filesystem::is_regular_file(there)) return;
    out.push_back({0, "process", "state_file",
                   "state_file in [process]: " + path_in_quotes(path) +
                       " is not a regular file; name another file, or set state_file = \"off\""});
}

bool is_secret(const Option& option, Object object) {
    if (option.secret) return !stored_text(option, object).empty();
    return option.shown != nullptr && stored_text(option, object) != value_text(option, object);
}

}  // namespace

void check_alarm(const AlarmConfig& alarm, Violations& out) {
    const auto wrong = check_webhook_url(alarm.webhook);
    const auto report = [&out](std::string_view option, const std::string& message) {
        out.push_back({std::nullopt, "alarm", option, std::string(option) + " in [alarm]: " + message});
    };
    if (wrong) report("webhook", *wrong);
    if (!alarm.webhook_header_file.empty()) {
        const auto header = read_header_file(alarm.webhook_header_file);
        if (!header) report("webhook_header_file", header.error().message);
    }
    const auto dashboard = parse_http_url(alarm.dashboard_url);
    if (!alarm.dashboard_url.empty() && !dashboard) report("dashboard_url", dashboard.error().message);
}

std::optional<std::string> warning_of_read_idle(const ListenerConfig& listener) {
    if (!listener.read_idle || *listener.read_idle >= listener.detect_within) return std::nullopt;
    return "read_idle " + format_duration(*listener.read_idle) + " is shorter than detect_within " +
           format_duration(listener.detect_within) +
           ", so living devices that pause for longer are closed before keep-alive matters; raise read_idle, or set it "
           "\"off\"";
}

std::vector<Violation> find_violations(const DaemonConfig& config) {
    Violations out = find_violations(config.server);
    check_sink(config, out);
    check_admin(config, out);
    check_alarm(config.alarm, out);
    check_state_file(config, out);
    const auto& listeners = config.server.listeners;
    Violations warnings;
    for (std::size_t i = 0; i < listeners.size(); ++i) check_tls_files(listeners[i], i, out, warnings);
    for (std::size_t i = 0; i < listeners.size(); ++i) check_tokens_file(listeners[i], i, out);
    return out;
}

std::vector<Violation> find_warnings(const DaemonConfig& config) {
    Violations out;
    for (std::size_t i = 0; i < config.server.listeners.size(); ++i) {
        warn_of_liveness(config.server.listeners[i], i, out);
    }
    warn_of_exposure(config.server, out);
    Violations errors;
    for (std::size_t i = 0; i < config.server.listeners.size(); ++i) {
        check_tls_files(config.server.listeners[i], i, errors, out);
    }
    warn_of_admin(config.admin, out);
    return out;
}

std::vector<std::string> group_names(std::string_view list) {
    constexpr std::string_view space = " \t";
    std::vector<std::string> names;
    while (list.find_first_not_of(space) != std::string_view::npos) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view name = list.substr(0, comma);
        const std::size_t first = std::min(name.find_first_not_of(space), name.size());
        const std::size_t last = name.find_last_not_of(space);
        names.emplace_back(name.substr(first, last == std::string_view::npos ? 0 : last - first + 1));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return names;
}

bool holds_secrets(const DaemonConfig& config) {
    DaemonConfig copy = config;  // Object needs a mutable struct
    for (const Option& option : all_options()) {
        const std::size_t times = option.section == Section::listener ? copy.server.listeners.size() : 1;
        for (std::size_t i = 0; i < times; ++i) {
            if (is_secret(option, object_of(option, copy, i))) return true;
        }
    }
    return false;
}

}  // namespace holdfast
