#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/checks.h"
#include "net/url.h"
#include "options/option.h"
#include "text/input_file.h"
#include "text/printable.h"

namespace holdfast {
namespace {

using Violations = std::vector<Violation>;

std::string reason_of(int error) { return std::strerror(error); }

/// Returns why events cannot be appended to `path`, or nullopt if they can.
std::optional<std::string> not_writable(const std::string& path) {
    if (path.find('\0') != std::string::npos) return path_in_quotes(path) + " contains a NUL byte; name another file";
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode)) return path_in_quotes(path) + " is a directory; name a file in it";
        if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0) return std::nullopt;
        return path_in_quotes(path) + " cannot be written: " + reason_of(errno) +
               "; change its rights or name another file";
    }
    if (errno != ENOENT) return path_in_quotes(path) + " cannot be used: " + reason_of(errno) + "; name another file";
    std::filesystem::path directory = std::filesystem::path(path).parent_path();
    if (directory.empty()) directory = ".";
    if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return std::nullopt;
    return path_in_quotes(path) + " cannot be created in its directory: " + reason_of(errno) +
           "; create the directory, change its rights or name another file";
}

/// Returns the nearest existing directory above `path`.
std::filesystem::path existing_above(std::filesystem::path path) {
    struct stat info {};
    while (::stat(path.c_str(), &info) != 0 && errno == ENOENT) {
        const auto above = path.parent_path();
        if (above.empty() || above == path) return above.empty() ? "." : above;
        path = above;
    }
    return path;
}

/// Returns why a spool cannot be in the directory `path`, or nullopt if it can.
std::optional<std::string> no_place_for_a_spool(const std::string& path) {
    if (path.find('\0') != std::string::npos)
        return path_in_quotes(path) + " contains a NUL byte; name another directory";
    const auto there = existing_above(path);
    struct stat info {};
    if (::stat(there.c_str(), &info) != 0) {
        return path_in_quotes(path) + " cannot be used: " + reason_of(errno) + "; name another directory";
    }
    if (!S_ISDIR(info.st_mode)) {
        return path_in_quotes(there.string()) + " is not a directory; name another directory";
    }
    if (::faccessat(AT_FDCWD, there.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return std::nullopt;
    return path_in_quotes(there.string()) + " cannot be written to: " + reason_of(errno) +
           "; change its rights or name another directory with path";
}

class SinkCheck {
public:
    SinkCheck(const DaemonConfig& config, Violations& out) : config_(config), sink_(config.sink), out_(out) {}

    void run() {
        check_belonging();
        if (sink_.type == SinkType::file) check_file();
        if (is_durable(sink_.type)) check_spool();
        if (sink_.type == SinkType::nats) check_nats();
        check_acks();
    }

private:
    void report(std::string_view option, std::string message) {
        out_.push_back({std::nullopt, "sink", option, std::move(message)});
    }

    /// Reports keys that this type of sink does not have.
    void check_belonging() {
        DaemonConfig copy = config_;
        const std::string_view type = to_string(sink_.type);
        for (const Option& option : daemon_options()) {
            if (option.of_sinks.empty() || stored_text(option, copy) == default_text(option)) continue;
            if (std::find(option.of_sinks.begin(), option.of_sinks.end(), type) != option.of_sinks.end()) continue;
            std::string types;
            for (std::size_t i = 0; i < option.of_sinks.size(); ++i) {
                if (i > 0) types += i + 1 == option.of_sinks.size() ? " or " : ", ";
                types += in_quotes(option.of_sinks[i]);
            }
            report(option.key,
                   std::string(option.key) + " in [sink] needs type = " + types + "; remove it or set the type");
        }
    }

    void check_file() {
        if (sink_.path.empty()) {
            report("type", "type in [sink] is \"file\" without a path; add path = \"...\", or give --sink file:PATH");
        } else if (const auto obstacle = not_writable(sink_.path)) {
            report("path", "path in [sink]: " + *obstacle);
        }
    }

    void check_spool() {
        if (const auto obstacle = no_place_for_a_spool(sink_.path)) report("path", "path in [sink]: " + *obstacle);
        for (const std::string& group : group_names(sink_.required_groups)) {
            if (is_name(group)) continue;
            report("required_groups",
                   "required_groups in [sink]: " + in_quotes(group) +
                       " is not the name of a group; write 1 to 64 characters of A-Z a-z 0-9 _ . - for each");
        }
    }

    void check_nats() {
        const auto urls = parse_nats_urls(sink_.url);
        if (!urls) report("url", "url in [sink]: " + urls.error().message);
        // Characters that JetStream allows in the name of a stream.
        if (!is_name(sink_.stream) || sink_.stream.find('.') != std::string::npos) {
            report("stream", "stream in [sink]: " + in_quotes(sink_.stream) +
                                 " is not the name of a stream; write 1 to 64 characters of A-Z a-z 0-9 _ -");
        }
        check_readable("credentials", sink_.credentials);
        check_readable("tls_ca", sink_.tls_ca);
        check_readable("tls_cert", sink_.tls_cert);
        check_readable("tls_key", sink_.tls_key);
        if (sink_.tls_cert.empty() != sink_.tls_key.empty()) {
            report(sink_.tls_cert.empty() ? "tls_key" : "tls_cert",
                   "tls_cert and tls_key in [sink] go together; give both or neither");
        }
        if (!config_.fleet.name.empty() && !is_name(config_.fleet.name)) {
            out_.push_back({std::nullopt, "fleet", "name",
                            "name in [fleet]: " + in_quotes(config_.fleet.name) +
                                " is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -"});
        }
    }

    void check_readable(std::string_view option, const std::string& path) {
        if (path.empty()) return;
        const auto why = why_not_readable(path);
        if (!why) return;
        report(option, std::string(option) + " in [sink]: " + path_in_quotes(path) + " " + *why +
                           "; change its rights or name another file");
    }

    void check_acks() {
        if (is_durable(sink_.type)) return;
        for (std::size_t i = 0; i < config_.server.listeners.size(); ++i) {
            const ListenerConfig& listener = config_.server.listeners[i];
            if (!listener.acks) continue;
            out_.push_back({i, "listener", "acks",
                            "listener " + in_quotes(listener.name) +
                                ": acks needs a durable sink; set type = \"spool\" (or \"nats\") in "
                                "[sink], or give --sink spool:DIR"});
        }
    }

    const DaemonConfig& config_;
    const SinkConfig& sink_;
    Violations& out_;
};

}  // namespace

void check_sink(const DaemonConfig& config, std::vector<Violation>& out) { SinkCheck(config, out).run(); }

}  // namespace holdfast
