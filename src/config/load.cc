#include "config/load.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/unique_fd.h"
#include "config/checks.h"
#include "config/draft.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr std::chrono::seconds longest_read{5};

Error unreadable(const std::string& name, const std::string& why) {
    return Error{"configuration " + path_in_quotes(name) + " cannot be read: " + why +
                 "; name another file with --config"};
}

/// Waits until `fd` has bytes or its end. Returns false if neither comes before `deadline`. A regular file has both at
/// once, and so has a FIFO whose writer has closed it; a FIFO without a writer has neither (pipe(7)).
bool comes_before(int fd, std::chrono::steady_clock::time_point deadline) {
    pollfd waiting{fd, POLLIN, 0};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready != -1 || errno != EINTR) return ready != 0;
    }
}

/// Reads a file, or a pipe such as `<(make-config)` whose writer ends it in time.
Result<std::string> read_whole(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return unreadable(path.string(), std::strerror(errno));
    const auto deadline = std::chrono::steady_clock::now() + longest_read;
    std::string text;
    char buffer[16'384];
    for (;;) {
        if (!comes_before(fd.get(), deadline)) return unreadable(path.string(), "no writer ended the pipe within 5 s");
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got == 0) return text;
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return unreadable(path.string(), std::strerror(errno));
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > largest_file) return unreadable(path.string(), "the file is larger than 1MiB");
    }
}

void flag_error(Draft& draft, std::string_view flag, const std::string& complaint) {
    draft.errors.push_back({std::string(flag) + ": " + complaint, false, 0});
}

/// Replaces the listeners by one per --listen address, each with the first listener's other options.
void apply_listen(Draft& draft, const std::vector<std::string>& addresses) {
    if (addresses.empty()) return;
    auto& listeners = draft.loaded.config.server.listeners;
    auto& origins = draft.loaded.origins;
    const ListenerConfig first = listeners.front();
    std::erase_if(origins, [](const auto& entry) { return entry.first.second > 0; });
    std::erase_if(draft.failed, [](const Spot& spot) { return spot.second > 0; });
    const Option* address = find_option(Section::listener, "address");
    const Option* name = find_option(Section::listener, "name");
    listeners.assign(addresses.size(), first);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        listeners[i].address = addresses[i];
        for (const Option& option : all_options()) {
            const auto origin = origins.find({&option, 0});
            if (option.section == Section::listener && origin != origins.end()) origins[{&option, i}] = origin->second;
        }
        origins[{address, i}] = Origin{0, address->flag};
        if (i == 0) continue;
        listeners[i].name += "-" + std::to_string(i + 1);
        origins[{name, i}] = Origin{0, address->flag};
    }
    draft.failed.erase({address, 0});
}

/// Sets an option that --sink names to `value`, or to its default if that is empty.
void set_by_sink_flag(Draft& draft, const Option& option, const std::string& value) {
    static_cast<void>(store_text(option, draft.object(option, 0), value.empty() ? default_text(option) : value));
    draft.loaded.origins[{&option, 0}] = Origin{0, "--sink"};
    draft.failed.erase({&option, 0});
}

/// Parts of a --sink value. "file:PATH" and "spool:DIR" set two options, as "nats:URL", "nats://..." and "tls://..."
/// do.
struct SinkFlag {
    std::string type;
    std::string path;
    std::string url;

    explicit SinkFlag(const std::string& text) : type(text) {
        const std::size_t colon = std::min(text.find(':'), text.size());
        const std::string word = text.substr(0, colon);
        const std::string rest = text.substr(std::min(colon + 1, text.size()));
        if (rest.empty()) return;
        if (word == "file" || word == "spool") {
            type = word;
            path = rest;
        } else if (word == "nats" || word == "tls") {
            type = "nats";
            url = rest.starts_with("//") ? text : rest;
        }
    }
};

/// Applies --sink and resets the file's keys of other sink types. Returns the type.
std::string take_sink_flag(Draft& draft, const std::string& text) {
    const SinkFlag flag(text);
    const bool was_file = draft.loaded.config.sink.type == SinkType::file;
    const bool was_spool = is_durable(draft.loaded.config.sink.type);
    const bool other_path = flag.type == "file" ? was_spool : was_file;
    for (const Option& option : all_options()) {
        if (option.section != Section::sink || option.of_sinks.empty()) continue;
        const bool has = std::find(option.of_sinks.begin(), option.of_sinks.end(), flag.type) != option.of_sinks.end();
        const bool names = (option.key == "path" && !flag.path.empty()) || (option.key == "url" && !flag.url.empty());
        if (names) {
            set_by_sink_flag(draft, option, option.key == "path" ? flag.path : flag.url);
        } else if (!has || (option.key == "path" && other_path)) {
            set_by_sink_flag(draft, option, "");
        }
    }
    return flag.type;
}

void apply_flag(Draft& draft, const Overrides::Flag& flag) {
    const Option& option = *flag.option;
    const bool of_listener = option.section == Section::listener;
    const std::size_t times = of_listener ? draft.loaded.config.server.listeners.size() : 1;
    const bool is_sink = option.section == Section::sink && option.key == "type";
    const std::string text = is_sink ? take_sink_flag(draft, flag.text) : flag.text;
    for (std::size_t i = 0; i < times; ++i) {
        const auto complaint = store_text(option, draft.object(option, i), text);
        draft.loaded.origins[{&option, i}] = Origin{0, option.flag};
        if (!complaint) {
            draft.failed.erase({&option, i});
            continue;
        }
        draft.failed.insert({&option, i});
        if (i == 0) flag_error(draft, option.flag, *complaint);
    }
}

/// Returns the violation's message, preceded by its place in the file or its flag.
ConfigError placed(const Draft& draft, const Violation& violation) {
    const LoadedConfig& loaded = draft.loaded;
    const std::size_t listener = violation.listener.value_or(0);
    const auto section = violation.section.empty() ? Section::top : find_section(violation.section);
    const Option* option = section ? find_option(*section, violation.option) : nullptr;
    const auto origin = loaded.origins.find({option, listener});
    std::uint32_t line = 0;
    if (origin != loaded.origins.end()) {
        if (!origin->second.flag.empty())
            return {std::string(origin->second.flag) + ": " + violation.message, false, 0};
        line = origin->second.line;
    } else if (violation.listener && listener < draft.listener_lines.size()) {
        line = draft.listener_lines[listener];  // a default value of a listener in the file
    }
    if (line == 0) return {violation.message, false, 0};
    return {loaded.file + ":" + std::to_string(line) + ": " + violation.message, true, line};
}

bool follows_from_another(const Draft& draft, const Violation& violation) {
    return std::any_of(draft.failed.begin(), draft.failed.end(), [&](const Spot& spot) {
        const bool same_listener = spot.second == violation.listener.value_or(0);
        const bool same_section = name_of(spot.first->section) == violation.section;
        // If the type of the sink is invalid, the other errors of [sink] refer to a type that is not in the file.
        return same_section && same_listener && (spot.first->key == violation.option || violation.section == "sink");
    });
}

void check(Draft& draft) {
    for (const Violation& violation : find_violations(draft.loaded.config)) {
        if (!follows_from_another(draft, violation)) draft.errors.push_back(placed(draft, violation));
    }
    std::stable_sort(draft.errors.begin(), draft.errors.end(),
                     [](const ConfigError& a, const ConfigError& b) { return a.line < b.line; });
    for (const Violation& warning : find_warnings(draft.loaded.config)) {
        draft.loaded.warnings.push_back(placed(draft, warning).message);
    }
}

/// Returns the first of systemd's directories in `variable`, which colons separate, or an empty text.
std::string_view directory_in(const char* variable) {
    const char* const directories = std::getenv(variable);
    const std::string_view all = directories != nullptr ? directories : "";
    return all.substr(0, all.find(':'));
}

/// Returns "spool" in systemd's StateDirectory, else "holdfast-spool" in the working directory.
std::string default_spool_directory() {
    const std::string_view state = directory_in("STATE_DIRECTORY");
    return state.empty() ? "holdfast-spool" : std::string(state) + "/spool";
}

/// Returns "admin.sock" in systemd's RuntimeDirectory, or an empty text if there is none.
std::string default_admin_socket() {
    const std::string_view runtime = directory_in("RUNTIME_DIRECTORY");
    return runtime.empty() ? "" : std::string(runtime) + "/admin.sock";
}

/// Completes a configuration after the file was read: flags, defaults that depend on the environment, and all checks.
LoadOutcome finish(Draft draft, const Overrides& overrides) {
    apply_listen(draft, overrides.listen);
    for (const Overrides::Flag& flag : overrides.flags) apply_flag(draft, flag);
    SinkConfig& sink = draft.loaded.config.sink;
    if (is_durable(sink.type) && sink.path.empty()) sink.path = default_spool_directory();
    AdminConfig& admin = draft.loaded.config.admin;
    if (admin.socket.empty()) admin.socket = default_admin_socket();
    check(draft);
    if (!draft.errors.empty()) return {std::nullopt, std::move(draft.errors)};
    return {std::move(draft.loaded), {}};
}

}  // namespace

std::string LoadedConfig::origin_text(const Option& option, std::size_t listener) const {
    const auto origin = origins.find({&option, listener});
    if (origin == origins.end()) return "default";
    if (!origin->second.flag.empty()) return std::string(origin->second.flag);
    return file + ":" + std::to_string(origin->second.line);
}

std::string state_file_of(const DaemonConfig& config) {
    const std::string& given = config.process.state_file;
    if (!given.empty()) return given == "off" ? "" : given;
    const std::string_view state = directory_in("STATE_DIRECTORY");
    if (!state.empty()) return std::string(state) + "/state";
    return is_durable(config.sink.type) ? config.sink.path + "/state" : "";
}

LoadOutcome load_config(const std::optional<std::filesystem::path>& file, const Overrides& overrides) {
    if (!file) return finish(Draft(), overrides);
    const auto text = read_whole(*file);
    if (!text) return {std::nullopt, {{text.error().message, false, 0}}};
    return load_config_text(file->string(), text.value(), overrides);
}

LoadOutcome load_config_text(std::string_view name, std::string_view text, const Overrides& overrides) {
    Draft draft;
    draft.loaded.file = printable(name);
    draft.loaded.blank = text.find_first_not_of(" \t\r\n") == std::string_view::npos;
    read_toml(text, draft);
    return finish(std::move(draft), overrides);
}

LoadOutcome ConfigSource::load() const { return load_config(file, overrides); }

}  // namespace holdfast
