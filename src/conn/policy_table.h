#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "conn/connection.h"
#include "conn/policy.h"

namespace holdfast {

/// The policies of a shard's connections: that of the listener, or one with a plan of the connection's own. Owns an
/// entry for each pair of a listener and another plan, while a connection has it. Without own plans, a look-up is that
/// of the listener. The shard's thread.
class PolicyTable {
public:
    /// Numbers of policies: those of listeners come first, see ListenerConfig.
    static constexpr std::uint16_t max_listeners = 256;
    static constexpr std::uint16_t max_own = 64;
    using Group = std::uint16_t;

    PolicyTable() = default;
    explicit PolicyTable(std::vector<ListenerPolicy> of_listeners) : of_listeners_(std::move(of_listeners)) {}

    [[nodiscard]] std::size_t listeners() const { return of_listeners_.size(); }
    void add_listener() { of_listeners_.emplace_back(); }
    [[nodiscard]] const ListenerPolicy& of_listener(std::size_t number) const { return of_listeners_[number]; }
    /// Changes a listener's policy, and that of its connections with plans of their own. Returns the old one.
    ListenerPolicy change(std::uint8_t listener, ListenerPolicy policy);

    /// Returns the policy of the connection in `slot`.
    [[nodiscard]] const ListenerPolicy& of(const Connection& connection, std::uint32_t slot) const {
        return has_own(slot) ? own_[own_of_slot_[slot].place].policy : of_listeners_[connection.listener];
    }
    /// Returns since when the plan applies to the connection.
    [[nodiscard]] Tick plan_since(const Connection& connection, std::uint32_t slot) const {
        const Tick of_listener = of_listeners_[connection.listener].plan_since;
        if (slot >= own_of_slot_.size()) return of_listener;
        const Own& own = own_of_slot_[slot];
        return own.place == none ? std::max(of_listener, own.since) : own.since;
    }
    [[nodiscard]] bool has_own(std::uint32_t slot) const {
        return slot < own_of_slot_.size() && own_of_slot_[slot].place != none;
    }

    /// Gives the connection in `slot` a plan of its own, from now on. Returns the number of its policy, or nullopt if
    /// max_own are in use.
    [[nodiscard]] std::optional<Group> give(const Connection& connection, std::uint32_t slot, const LivenessPlan& plan,
                                            Tick now);
    /// Returns the connection in `slot` to its listener's plan, from now on.
    void take_back(std::uint32_t slot, Tick now);
    /// Forgets the connection in `slot`, which ends.
    void forget(std::uint32_t slot) {
        if (!own_of_slot_.empty()) take_back(slot, Tick{});
    }
    /// Returns the policy of that number, which give() returned.
    [[nodiscard]] const ListenerPolicy& own(Group group) const { return own_[group - max_listeners].policy; }
    /// Returns the numbers of the policies in use of that listener's connections with plans of their own.
    [[nodiscard]] std::vector<Group> own_groups(std::uint8_t listener) const;

private:
    /// A policy with another plan than its listener's.
    struct OwnPolicy {
        std::uint8_t listener = 0;
        ListenerPolicy policy;
        std::uint32_t connections = 0;
    };
    /// Own plan of the connection in a slot.
    struct Own {
        std::uint16_t place = none;  ///< in own_
        Tick since;                  ///< latest change of its plan by the program
    };
    static constexpr std::uint16_t none = max_own;

    [[nodiscard]] std::uint16_t place_for(std::uint8_t listener, const LivenessPlan& plan);

    std::vector<ListenerPolicy> of_listeners_;
    std::vector<OwnPolicy> own_;
    std::vector<Own> own_of_slot_;  // empty until the first give()
};

}  // namespace holdfast
