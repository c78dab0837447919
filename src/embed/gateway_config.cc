#include "embed/gateway_config.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/checks.h"
#include "options/option.h"

namespace holdfast {
namespace {

/// An option of the file, and the member of GatewayConfig that has its value.
struct Member {
    Section section;
    std::string_view option;
    std::string_view member;
};

constexpr std::array members{
    Member{Section::sink, "path", "spool.directory"},
    Member{Section::sink, "retain_bytes", "spool.retain_bytes"},
    Member{Section::sink, "retain_age", "spool.retain_age"},
    Member{Section::sink, "url", "spool.nats_url"},
    Member{Section::sink, "stream", "spool.nats_stream"},
    Member{Section::sink, "credentials", "spool.nats_credentials"},
    Member{Section::admin, "address", "admin.address"},
    Member{Section::admin, "token_file", "admin.token_file"},
    Member{Section::admin, "read_token_file", "admin.read_token_file"},
    Member{Section::admin, "tls_certificate", "admin.tls_certificate"},
    Member{Section::admin, "tls_key", "admin.tls_key"},
    Member{Section::alarm, "window", "alarms.window"},
    Member{Section::alarm, "drop_percent", "alarms.drop_percent"},
    Member{Section::alarm, "drop_least", "alarms.drop_least"},
    Member{Section::alarm, "webhook", "alarms.webhook"},
};

void set_sink(SinkConfig& sink, const GatewayConfig::Spool& spool) {
    sink.type = SinkType::none;
    if (spool.directory.empty()) return;
    sink.type = SinkType::spool;
    sink.path = spool.directory;
    sink.retain_bytes = spool.retain_bytes;
    sink.retain_age = spool.retain_age;
    if (spool.nats_url.empty()) return;
    sink.type = SinkType::nats;
    sink.url = spool.nats_url;
    sink.stream = spool.nats_stream;
    sink.credentials = spool.nats_credentials;
}

std::string member_of(std::string_view section, std::string_view option) {
    for (const Member& each : members) {
        if (name_of(each.section) == section && each.option == option) return std::string(each.member);
    }
    return std::string(option);
}

void replace(std::string& text, std::string_view words, std::string_view by) {
    const std::size_t at = text.find(words);
    if (at != std::string::npos) text.replace(at, words.size(), by);
}

/// Returns the error in the words of the program. Messages of the file begin with "OPTION in [SECTION]: ".
Error in_words_of_program(const Violation& violation) {
    const std::string member = member_of(violation.section, violation.option);
    std::string text = violation.message;
    replace(text, std::string(violation.option) + " in [" + std::string(violation.section) + "]: ", "");
    replace(text, ", or \"off\"", ", or leave it empty");
    replace(text, "another directory with path", "another directory");
    return {member + ": " + text, ErrorCode::invalid_config, member};
}

std::optional<Error> without_spool(const GatewayConfig& config) {
    if (!config.spool.directory.empty()) return std::nullopt;
    if (!config.spool.nats_url.empty())
        return Error{"spool.nats_url needs a spool; set spool.directory", ErrorCode::invalid_config, "spool.directory"};
    for (std::size_t i = 0; i < config.server.listeners.size(); ++i) {
        if (!config.server.listeners[i].acks) continue;
        const std::string field = "listeners[" + std::to_string(i) + "].acks";
        return Error{field + " needs a spool; set spool.directory", ErrorCode::invalid_config, field};
    }
    return std::nullopt;
}

std::optional<Error> range_fault(DaemonConfig& config) {
    for (const Member& each : members) {
        const Option* const option = find_option(each.section, each.option);
        const auto error = option == nullptr ? std::nullopt : out_of_range(*option, config);
        const std::string member(each.member);
        if (error) return Error{member + ": " + *error, ErrorCode::invalid_config, member};
    }
    return std::nullopt;
}

}  // namespace

DaemonConfig daemon_config(const GatewayConfig& config) {
    DaemonConfig daemon;
    daemon.server = config.server;
    daemon.server.observed = true;
    set_sink(daemon.sink, config.spool);
    daemon.fleet.enabled = false;
    daemon.admin = {.address = config.admin.address.empty() ? "off" : config.admin.address,
                    .socket = "off",
                    .health = {},
                    .token_file = config.admin.token_file,
                    .read_token_file = config.admin.read_token_file,
                    .tls_certificate = config.admin.tls_certificate,
                    .tls_key = config.admin.tls_key,
                    .hosts = {}};
    daemon.alarm.window = config.alarms.window;
    daemon.alarm.drop_percent = config.alarms.drop_percent;
    daemon.alarm.drop_least = config.alarms.drop_least;
    daemon.alarm.webhook = config.alarms.webhook;
    return daemon;
}

std::optional<Error> first_fault(const GatewayConfig& config) {
    if (auto error = without_spool(config)) return error;
    DaemonConfig daemon = daemon_config(config);
    if (auto error = range_fault(daemon)) return error;
    std::vector<Violation> found;
    check_sink(daemon, found);
    check_admin(daemon, found);
    check_alarm(daemon.alarm, found);
    return found.empty() ? std::nullopt : std::optional(in_words_of_program(found.front()));
}

}  // namespace holdfast
