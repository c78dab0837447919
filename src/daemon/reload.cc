#include "daemon/reload.h"

#include <exception>
#include <filesystem>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

#include "base/system_failure.h"
#include "text/printable.h"

namespace holdfast {

namespace {

/// Returns an error that load_config cannot detect, or nullopt. Opening a FIFO would block until a writer opens it.
std::optional<std::string> not_a_file(const std::string& name) {
    std::error_code error;
    const auto status = std::filesystem::status(name, error);
    if (error || std::filesystem::is_regular_file(status)) return std::nullopt;
    return "configuration " + path_in_quotes(name) +
           " is not a regular file, and nothing has changed; write a file there";
}

ReloadResult failed_with(const Error& error) {
    ReloadResult result;
    result.errors.push_back(error.message);
    return result;
}

void move_all(std::vector<std::string>& from, std::vector<std::string>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Error in_command_words(Error error) {
    if (error.code == ErrorCode::address_in_use) error.message += " with --listen";
    if (error.code == ErrorCode::not_permitted) error.message += ", as root with --user, or by its systemd unit";
    return error;
}

ReloadResult Reloader::run() {
    const std::lock_guard lock(mutex_);
    parts_.reopen_sink();  // independent of the configuration, because log rotation relies on it
    ReloadResult result = try_to_apply();
    meter_.count(result);
    tell(result);
    return result;
}

/// Applies the configuration. Without memory, threads or descriptors the reload fails, and the connections stay.
ReloadResult Reloader::try_to_apply() {
    ReloadResult result;
    try {
        return read_and_apply();
    } catch (const std::system_error& failure) {
        result.errors.push_back("the reload failed: " + describe(failure) + ", then reload again");
    } catch (const std::bad_alloc&) {
        result.errors.push_back("the reload failed: no memory; raise the process's limits, then reload again");
    } catch (const std::exception& failure) {
        result.errors.push_back(std::string("the reload failed: ") + failure.what() + "; reload again");
    }
    return result;
}

ReloadResult Reloader::read_and_apply() {
    ReloadResult result;
    if (!file_) {
        result.warnings.push_back("the gateway was started without --config, and no file was read");
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
        result.errors.push_back(
            outcome.loaded->file +
            ":1: the file is empty, which would reset every option to its default; write at least a comment");
        return result;
    }
    result = apply(std::move(outcome.loaded->config));
    result.warnings = std::move(outcome.loaded->warnings);
    return result;
}

ReloadResult Reloader::apply(DaemonConfig wanted) {
    DaemonConfig next = running_;
    ApplyReport rest;
    for (const Option& option : daemon_options()) take_change(option, next, wanted, {}, rest);
    auto take_sink_over = parts_.sink(next.sink);
    if (!take_sink_over) return failed_with(take_sink_over.error());
    auto secrets = parts_.admin();
    if (!secrets) return failed_with(secrets.error());
    auto report = parts_.server(wanted);
    if (!report) return failed_with(report.error());
    // From here on nothing can fail.
    ReloadResult result;
    move_all(report.value().applied, result.applied);
    move_all(rest.applied, result.applied);
    move_all(secrets.value().changes, result.applied);
    move_all(report.value().needs_restart, result.needs_restart);
    move_all(rest.needs_restart, result.needs_restart);
    if (secrets.value().take_over) secrets.value().take_over();
    if (take_sink_over.value()) take_sink_over.value()();
    parts_.alarms(next.alarm);
    log_.change(next.log);
    next.server = std::move(wanted.server);
    running_ = std::move(next);
    parts_.done();
    return result;
}

/// Logs each line as a cause of its own, so that LogLimiter suppresses none as a repetition.
void Reloader::tell(const ReloadResult& result) {
    for (const std::string& error : result.errors) log_.error("rejected a reload, and nothing has changed: " + error);
    if (!result.errors.empty()) return;
    for (const std::string& line : result.warnings) log_.warn("reload: " + line);
    for (const std::string& line : result.applied) log_.info("reload: " + line);
    for (const std::string& line : result.needs_restart) log_.warn("reload: " + line);
    log_.info("reloaded", {{"applied", std::to_string(result.applied.size())},
                           {"needs_restart", std::to_string(result.needs_restart.size())}});
}

}  // namespace holdfast
