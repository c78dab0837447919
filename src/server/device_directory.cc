#include "server/device_directory.h"

#include <utility>

namespace holdfast {

std::optional<Token> DeviceDirectory::claim(std::string_view id, Token mine) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    if (found == part.holders.end()) {
        part.holders.emplace(id, mine);
        return std::nullopt;
    }
    const Token former = std::exchange(found->second, mine);
    return former == mine ? std::nullopt : std::optional(former);
}

void DeviceDirectory::release(std::string_view id, Token mine) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    if (found != part.holders.end() && found->second == mine) part.holders.erase(found);
}

std::optional<Token> DeviceDirectory::find(std::string_view id) const {
    const Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    return found == part.holders.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace holdfast
