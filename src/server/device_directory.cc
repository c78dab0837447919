#include "server/device_directory.h"

#include <utility>

namespace holdfast {

DeviceDirectory::Claim DeviceDirectory::claim(std::string_view id, Token mine, bool authenticated) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    if (found == part.holders.end()) {
        part.holders.emplace(id, Holder{mine, authenticated});
        return {};
    }
    if (found->second.authenticated && !authenticated) return {.granted = false};
    const Token former = std::exchange(found->second, Holder{mine, authenticated}).number;
    return {.former = former == mine ? std::nullopt : std::optional(former)};
}

void DeviceDirectory::release(std::string_view id, Token mine) {
    Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    if (found != part.holders.end() && found->second.number == mine) part.holders.erase(found);
}

std::optional<Token> DeviceDirectory::find(std::string_view id) const {
    const Part& part = part_of(id);
    const std::lock_guard lock(part.mutex);
    const auto found = part.holders.find(id);
    return found == part.holders.end() ? std::nullopt : std::optional(found->second.number);
}

}  // namespace holdfast
