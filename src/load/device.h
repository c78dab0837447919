#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "load/downlink_inbox.h"
#include "load/faults.h"
#include "load/unacked.h"
#include "tls/tls_session.h"

namespace holdfast {

/// One simulated device. Its fleet owns it and its descriptor; the fleet's thread.
struct LoadDevice {
    enum class State : std::uint8_t { apart, connecting, connected };

    UniqueFd fd;
    std::unique_ptr<TlsSession> tls;  ///< of a fleet that has it, from the TCP connect on
    std::uint32_t generation = 0;     ///< of the poller's token: raised with every socket
    std::uint32_t connects = 0;       ///< that succeeded
    std::uint32_t tries = 0;          ///< that failed in a row
    State state = State::apart;
    Fault fault = Fault::none;
    bool settled = false;             ///< its first connect succeeded or failed
    bool mute = false;                ///< a fault struck: it sends nothing more
    bool deaf = false;                ///< ... and sees nothing more
    bool queued = false;              ///< in the fleet's list of those that have something to send
    bool in_debt = false;             ///< among the fleet's owing devices
    bool resumed = false;             ///< with acks: the gateway has said where to begin on this connection
    std::uint64_t seq = 0;            ///< items made; with acks, those to be made again not counted
    std::uint64_t owed = 0;           ///< items still to be made
    std::uint32_t pending_items = 0;  ///< in `pending`
    std::uint32_t pending_bad = 0;    ///< of those
    std::uint32_t pending_acks = 0;   ///< in `pending`, not among its items
    std::size_t sent = 0;             ///< of `pending`
    std::string pending;              ///< bytes that the kernel has not taken yet
    std::uint32_t acks_owed = 0;      ///< in `acks`
    std::string acks;                 ///< acknowledgements that wait for `pending`, framed
    DownlinkInbox inbox;
    Unacked unacked;  ///< with acks
    SteadyTime connect_began;
    SteadyTime connected_at;
};

}  // namespace holdfast
