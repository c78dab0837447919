#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>
#include <holdfast/visibility.h>

namespace holdfast HOLDFAST_PUBLIC {

/// What a reactor noticed about one connection and what says little alone: beside others of its prefix it tells a
/// partition from a single death. Server::observe hands them on.
struct Observation {
    enum class Kind : std::uint8_t {
        answered,   ///< asked ahead of the kernel, and its peer answered
        overdue,    ///< asked, and the answer is late
        closed,     ///< it ended
        suspected,  ///< probed on suspicion, it did not answer and was marked
        recovered,  ///< a suspect answered, and is none any more
    };
    Kind kind{};
    CloseReason reason{};       ///< of `closed`
    std::uint8_t listener = 0;  ///< ListenerStatus::number
    IpAddress peer;
    std::chrono::steady_clock::time_point at;
    std::chrono::milliseconds last_heard{};      ///< before `at`; not set for `answered`
    std::chrono::milliseconds lived{};           ///< of `closed`
    std::chrono::milliseconds answered_after{};  ///< of `answered`; above the time of `overdue`, a slow network's
    bool suspect = false;                        ///< of `closed`: it was marked
};

struct Observations {
    std::vector<Observation> seen;  ///< of one reactor in order, of all mixed
    std::uint64_t dropped = 0;      ///< noticed beyond what a reactor keeps between two calls
};

/// Where a living connection stands, for counting by prefix.
struct CensusEntry {
    std::uint8_t listener = 0;  ///< ListenerStatus::number
    IpAddress peer;
    std::chrono::steady_clock::time_point opened;  ///< to a tenth of a second
    bool suspect = false;
};

/// One thing in which the registry and the kernel's socket table disagree (or in which they agree on a leak).
struct Discrepancy {
    enum class Kind : std::uint8_t {
        ghost,             ///< the registry holds a connection whose socket the kernel does not have
        orphan,            ///< this process has a descriptor of a listener's socket that no connection owns
        stuck_close_wait,  ///< the peer sent FIN longer than the grace ago and the connection is still there
    };
    Kind kind{};
    std::string listener;
    Endpoint peer;
    ConnectionId conn;    ///< of a ghost and of a stuck one
    int descriptor = -1;  ///< of an orphan
};

/// One comparison of the registry with the kernel's sockets of the gateway's listeners (sock_diag(7)).
struct Reconciliation {
    EventTime at;
    std::chrono::milliseconds took{};
    std::size_t registry = 0;  ///< connections held
    std::size_t kernel = 0;    ///< sockets of this process that the kernel has for the listeners' ports
    std::size_t ghosts = 0;
    std::size_t orphans = 0;
    std::size_t stuck_close_wait = 0;
    std::vector<Discrepancy> examples;  ///< at most 100
    std::string error;                  ///< why it could not be done; empty if it was

    [[nodiscard]] std::size_t drift() const noexcept { return ghosts + orphans + stuck_close_wait; }
};

}  // namespace HOLDFAST_PUBLIC
