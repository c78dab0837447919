#include "config/daemon_config.h"

#include <algorithm>
#include <cstdlib>

namespace holdfast {

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
    const char* state = std::getenv("STATE_DIRECTORY");  // systemd's: one, or several with colons between them
    if (state == nullptr || *state == '\0') return "holdfast-spool";
    const std::string_view directories = state;
    return std::string(directories.substr(0, directories.find(':'))) + "/spool";
}

}  // namespace holdfast
