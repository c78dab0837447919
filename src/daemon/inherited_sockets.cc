#include "daemon/inherited_sockets.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "server/validate.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr int first_inherited = 3;
constexpr int max_names = 1'024;

std::optional<int> number_in(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string_view text_of(const char* variable) {
    return variable != nullptr ? std::string_view(variable) : std::string_view();
}

/// Returns the names of the descriptors from 3 on; those of systemd for another process are none.
std::vector<std::string> names_in(const InheritedSockets::Environment& environment) {
    if (number_in(text_of(environment.listen_pid)) != static_cast<int>(environment.pid)) return {};
    const int count = std::clamp(number_in(text_of(environment.listen_fds)).value_or(0), 0, max_names);
    std::vector<std::string> names(static_cast<std::size_t>(count));
    std::string_view rest = text_of(environment.listen_fdnames);
    for (std::string& name : names) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        name = rest.substr(0, colon);
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return names;
}

Error not_inherited(const std::string& what) {
    return {what + "; let a systemd .socket unit or another starter pass it on, or write ADDRESS:PORT",
            ErrorCode::invalid_config, "address"};
}

}  // namespace

InheritedSockets::InheritedSockets(std::vector<int> open, const Environment& environment)
    : open_(std::move(open)), names_(names_in(environment)) {}

InheritedSockets InheritedSockets::of_process() {
    std::vector<int> open;
    std::error_code error;
    std::filesystem::directory_iterator entries("/proc/self/fd", error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        const auto number = number_in(entries->path().filename().native());
        if (number && *number >= first_inherited) open.push_back(*number);
    }
    // The iterator's own descriptor is closed by now.
    std::erase_if(open, [](int descriptor) { return ::fcntl(descriptor, F_GETFD) == -1; });
    return {std::move(open),
            {.pid = ::getpid(),
             .listen_pid = std::getenv("LISTEN_PID"),
             .listen_fds = std::getenv("LISTEN_FDS"),
             .listen_fdnames = std::getenv("LISTEN_FDNAMES")}};
}

Result<int> InheritedSockets::find(std::string_view address) const {
    const std::string_view name = address.substr(inherited_prefix.size());
    const auto number = number_in(name);
    if (!number) return find_name(name);
    if (std::find(open_.begin(), open_.end(), *number) != open_.end()) return *number;
    return not_inherited("descriptor " + std::to_string(*number) + " was not open when the gateway was started");
}

Result<int> InheritedSockets::find_name(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) {
        std::string known;
        for (const std::string& each : names_) known += (known.empty() ? " but " : ", ") + in_quotes(each);
        return not_inherited("no inherited descriptor is named " + in_quotes(name) + known);
    }
    if (std::find(found + 1, names_.end(), name) != names_.end()) {
        return Error{"several inherited descriptors are named " + in_quotes(name) +
                         "; write fd:NUMBER, or give each a FileDescriptorName= of its own",
                     ErrorCode::invalid_config, "address"};
    }
    const int number = first_inherited + static_cast<int>(found - names_.begin());
    if (std::find(open_.begin(), open_.end(), number) != open_.end()) return number;
    return not_inherited("descriptor " + std::to_string(number) + ", named " + in_quotes(name) +
                         ", was not open when the gateway was started");
}

std::optional<Error> InheritedSockets::resolve(ServerConfig& config) const {
    for (ListenerConfig& listener : config.listeners) {
        if (!listener.address.starts_with(inherited_prefix)) continue;
        auto found = find(listener.address);
        if (!found) {
            Error error = found.error();
            error.message.insert(0, "listener " + in_quotes(listener.name) + ": ");
            return error;
        }
        listener.descriptor = found.value();
        const int flags = ::fcntl(found.value(), F_GETFD);
        if (flags >= 0) ::fcntl(found.value(), F_SETFD, flags | FD_CLOEXEC);
    }
    return std::nullopt;
}

}  // namespace holdfast
