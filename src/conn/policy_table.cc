#include "conn/policy_table.h"

#include <algorithm>

namespace holdfast {

ListenerPolicy PolicyTable::change(std::uint8_t listener, ListenerPolicy policy) {
    for (OwnPolicy& own : own_) {
        if (own.listener != listener) continue;
        const LivenessPlan plan = own.policy.plan;
        own.policy = policy;
        own.policy.plan = plan;
    }
    return std::exchange(of_listeners_[listener], std::move(policy));
}

/// Returns the place of that policy, of an unused one, or `none`.
std::uint16_t PolicyTable::place_for(std::uint8_t listener, const LivenessPlan& plan) {
    std::uint16_t free = none;
    for (std::size_t i = 0; i < own_.size(); ++i) {
        const OwnPolicy& own = own_[i];
        if (own.connections == 0) {
            free = static_cast<std::uint16_t>(i);
        } else if (own.listener == listener && own.policy.plan == plan) {
            return static_cast<std::uint16_t>(i);
        }
    }
    if (free == none && own_.size() < max_own) {
        free = static_cast<std::uint16_t>(own_.size());
        own_.emplace_back();
    }
    if (free == none) return none;
    own_[free] = {.listener = listener, .policy = of_listeners_[listener]};
    own_[free].policy.plan = plan;
    return free;
}

std::optional<PolicyTable::Group> PolicyTable::give(const Connection& connection, std::uint32_t slot,
                                                    const LivenessPlan& plan, Tick now) {
    const std::uint16_t place = place_for(connection.listener, plan);
    if (place == none) return std::nullopt;
    ++own_[place].connections;
    take_back(slot, now);
    if (own_of_slot_.size() <= slot) own_of_slot_.resize(std::max<std::size_t>(slot + 1, 2 * own_of_slot_.size()));
    own_of_slot_[slot] = {.place = place, .since = now};
    return static_cast<Group>(max_listeners + place);
}

void PolicyTable::take_back(std::uint32_t slot, Tick now) {
    if (slot >= own_of_slot_.size()) return;
    Own& own = own_of_slot_[slot];
    if (own.place != none) --own_[own.place].connections;
    own = {.place = none, .since = now};
}

std::vector<PolicyTable::Group> PolicyTable::own_groups(std::uint8_t listener) const {
    std::vector<Group> groups;
    for (std::size_t i = 0; i < own_.size(); ++i) {
        if (own_[i].connections > 0 && own_[i].listener == listener)
            groups.push_back(static_cast<Group>(max_listeners + i));
    }
    return groups;
}

}  // namespace holdfast
