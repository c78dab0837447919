#include "app/reload.h"

#include <exception>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/printable.h"
#include "base/system_failure.h"

namespace holdfast {

namespace {

/// What stands in the way of reading it, beyond what load_config finds: opening a FIFO would wait for its writer.
std::optional<std::string> not_a_file(const std::string& name) {
    std::error_code error;
    const auto status = std::filesystem::status(name, error);
    if (error || std::filesystem::is_regular_file(status)) return std::nullopt;
    return "configuration " + path_in_quotes(name) + " is not a regular file: nothing has changed; write it anew";
}

bool same(const Option& option, DaemonConfig& a, DaemonConfig& b) {
    return stored_text(option, {a, a.server.listeners.front()}) == stored_text(option, {b, b.server.listeners.front()});
}

std::string shown(const Option& option, DaemonConfig& config) {
    std::string text = value_text(option, {config, config.server.listeners.front()});
    if (option.section == Section::alarm && option.name == "webhook") {
        return text.empty() ? "\"\"" : "a URL";  // whose path may be a secret
    }
    return option.type == OptionType::text ? path_in_quotes(text) : text;
}

/// Of a section that a reload takes over: this key too. A spool stays where it is.
bool is_live(const Option& option, SinkType sink) {
    return option.live && !(option.section == Section::sink && option.name == "path" && is_durable(sink));
}

/// The differences in one section, in the words that Server::apply uses for its own. Pure.
void report_section(Section section, DaemonConfig running, DaemonConfig wanted, bool live, ReloadResult& out) {
    for (const Option& option : all_options()) {
        if (option.section != section || same(option, running, wanted)) continue;
        const std::string what = std::string(option.name) + in_section(section) + ": ";
        if (live && is_live(option, running.sink.type)) {
            out.applied.push_back(what + shown(option, running) + " -> " + shown(option, wanted));
        } else {
            out.needs_restart.push_back(what + "runs with " + shown(option, running) + ", the configuration says " +
                                        shown(option, wanted) + ": restart to take it");
        }
    }
}

/// `wanted` with the running sink's keys where they need a restart.
DaemonConfig taken_over(DaemonConfig running, DaemonConfig wanted) {
    ListenerConfig none;
    for (const Option& option : all_options()) {
        if (option.section != Section::sink || is_live(option, running.sink.type)) continue;
        static_cast<void>(store_text(option, {wanted, none}, stored_text(option, {running, none})));
    }
    return wanted;
}

}  // namespace

ReloadResult Reloader::run() {
    const std::lock_guard lock(mutex_);
    parts_.reopen_sink();  // whatever the configuration is like: whoever rotates the file counts on it
    ReloadResult result = try_to_apply();
    meter_.count(result);
    tell(result);
    return result;
}

/// Without memory, threads or descriptors a reload fails, and the connections stay.
ReloadResult Reloader::try_to_apply() {
    ReloadResult result;
    try {
        return read_and_apply();
    } catch (const std::system_error& failure) {
        result.errors.push_back("the reload broke off: " + describe(failure) + ", then reload again");
    } catch (const std::bad_alloc&) {
        result.errors.push_back("the reload broke off: no memory; raise the process's limits, then reload again");
    } catch (const std::exception& failure) {
        result.errors.push_back(std::string("the reload broke off: ") + failure.what() + "; reload again");
    }
    return result;
}

ReloadResult Reloader::read_and_apply() {
    ReloadResult result;
    if (!file_) {
        result.warnings.push_back("the gateway was started without --config: there is no file to read");
        return result;
    }
    if (auto obstacle = not_a_file(*file_)) {
        result.errors.push_back(std::move(*obstacle));
        return result;
    }
    LoadOutcome outcome = load_config(*file_, overrides_);
    for (ConfigError& error : outcome.errors) result.errors.push_back(std::move(error.message));
    if (!outcome.loaded) return result;
    if (outcome.loaded->blank) {
        result.errors.push_back(outcome.loaded->file +
                                ":1: the file is empty, which would put everything back to its default: write at least "
                                "one line, if only a comment");
        return result;
    }
    result = apply(outcome.loaded->config);
    result.warnings = std::move(outcome.loaded->warnings);
    return result;
}

ReloadResult Reloader::apply(const DaemonConfig& wanted) {
    ReloadResult result;
    const bool same_sink = wanted.sink.type == running_.sink.type;
    std::function<void()> take_sink_over;
    if (same_sink) {
        auto opened = parts_.sink(wanted.sink);
        if (!opened) {
            result.errors.push_back(opened.error().message);
            return result;
        }
        take_sink_over = std::move(opened).value();
    }
    auto secrets = parts_.admin();
    if (!secrets) {
        result.errors.push_back(secrets.error().message);
        return result;
    }
    auto report = parts_.server(wanted);
    if (!report) {
        result.errors.push_back(report.error().message);
        return result;
    }
    // From here on nothing fails.
    result.applied = std::move(report.value().applied);
    result.needs_restart = std::move(report.value().needs_restart);
    report_section(Section::sink, running_, wanted, same_sink, result);
    report_section(Section::fleet, running_, wanted, false, result);
    report_section(Section::admin, running_, wanted, false, result);
    for (std::string& change : secrets.value().changes) result.applied.push_back(std::move(change));
    if (secrets.value().take_over) secrets.value().take_over();
    report_section(Section::alarm, running_, wanted, true, result);
    report_section(Section::log, running_, wanted, true, result);
    report_section(Section::process, running_, wanted, false, result);
    if (take_sink_over) take_sink_over();
    parts_.alarms(wanted.alarm);
    log_.change(wanted.log);

    const SinkConfig sink = same_sink ? taken_over(running_, wanted).sink : running_.sink;
    const FleetConfig fleet = running_.fleet;
    const AdminConfig admin = running_.admin;
    const ProcessConfig process = running_.process;
    running_ = wanted;
    running_.sink = sink;
    running_.fleet = fleet;
    running_.admin = admin;
    running_.process = process;
    parts_.done();
    return result;
}

/// Each line is a cause of its own to the log, so that none is held back as a repetition.
void Reloader::tell(const ReloadResult& result) {
    for (const std::string& error : result.errors) log_.error("reload refused, nothing has changed: " + error);
    if (!result.errors.empty()) return;
    for (const std::string& line : result.warnings) log_.warn("reload: warning: " + line);
    for (const std::string& line : result.applied) log_.info("reload: " + line);
    for (const std::string& line : result.needs_restart) log_.warn("reload: " + line);
    log_.info("reloaded", {{"applied", std::to_string(result.applied.size())},
                           {"needs_restart", std::to_string(result.needs_restart.size())}});
}

}  // namespace holdfast
