#include "config/daemon_config.h"

#include <algorithm>
#include <cstdlib>

namespace holdfast {

namespace {

/// The first of systemd's directories of one kind: they have colons between them. Empty: none.
std::string_view directory_in(const char* variable) {
    const char* const directories = std::getenv(variable);
    const std::string_view all = directories != nullptr ? directories : "";
    return all.substr(0, all.find(':'));
}

}  // namespace

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

std::string default_spool_directory() {
    const std::string_view state = directory_in("STATE_DIRECTORY");
    return state.empty() ? "holdfast-spool" : std::string(state) + "/spool";
}

std::string default_admin_socket() {
    const std::string_view runtime = directory_in("RUNTIME_DIRECTORY");
    return runtime.empty() ? "" : std::string(runtime) + "/admin.sock";
}

}  // namespace holdfast
