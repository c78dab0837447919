#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/events.h>

#include "simulation/simulated_peer.h"
#include "world_plan.h"

namespace holdfast {

/// Set of reasons.
class Reasons {
public:
    Reasons() = default;
    Reasons(std::initializer_list<CloseReason> reasons) {
        for (const CloseReason reason : reasons) bits_ |= bit(reason);
    }
    void add(const Reasons& others) { bits_ |= others.bits_; }
    void remove(const Reasons& others) { bits_ &= ~others.bits_; }
    [[nodiscard]] bool contains(CloseReason reason) const { return (bits_ & bit(reason)) != 0; }

private:
    static std::uint32_t bit(CloseReason reason) { return 1U << static_cast<unsigned>(reason); }

    std::uint32_t bits_ = 0;
};

inline const Reasons network_reasons{CloseReason::keepalive_expired, CloseReason::retransmit_expired,
                                     CloseReason::window_stalled, CloseReason::unreachable};
inline const Reasons memory_reasons{CloseReason::shed, CloseReason::out_of_memory};

struct ScriptedDevice;

/// A connection of a device, with the acts of the device on it, and the ends that they allow.
struct Attempt {
    ScriptedDevice* device = nullptr;
    std::unique_ptr<SimulatedPeer> peer;
    Endpoint from;
    Kind kind{};
    std::optional<ConnectionId> conn;  ///< once the gateway has reported it
    Reasons allowed;                   ///< to end with
    std::uint64_t sent = 0;            ///< complete items, written while connected
    std::uint64_t received = 0;        ///< of those, by the handler
    std::uint64_t last = 0;            ///< number of the latest one, if they have no `seq`
    bool is_orderly = false;           ///< closed by the device, and reachable: all items must arrive
    bool has_left = false;             ///< the device sends nothing more
    bool has_stalled = false;
    bool has_ended = false;  ///< its `closed` event has come
    bool has_vanished = false;
    bool has_outlived = false;              ///< a crash of the gateway
    bool is_in_doubt = false;               ///< bytes of it may have been lost in one
    std::uint64_t uncounted = 0;            ///< items amid which the gateway crashed
    SteadyTime cut_at = SteadyTime::max();  ///< since then no packet of the device arrives
    SteadyTime must_end_by = SteadyTime::max();
    std::chrono::nanoseconds stopped_before{};  ///< World::stopped() when must_end_by was set
    SteadyTime ended_at;
};

/// A simulated device with its connections, the latest last.
struct ScriptedDevice {
    std::size_t index = 0;
    std::size_t site = 0;
    Kind kind{};
    std::uint16_t connections = 0;
    std::uint64_t turn = 0;  ///< of its acts; a planned one of an earlier turn does nothing
    std::vector<std::unique_ptr<Attempt>> attempts;
    SteadyTime slept_until;
    SteadyTime left_at = SteadyTime::max();  ///< when its kind of end is due
    // Numbered items.
    std::uint64_t written = 0;  ///< last number that it has ever made
    std::uint64_t acked = 0;
    std::uint64_t sent_up_to = 0;  ///< on the latest connection
    bool has_resumed = false;      ///< on the latest connection

    [[nodiscard]] Attempt* latest() { return attempts.empty() ? nullptr : attempts.back().get(); }
};

}  // namespace holdfast
