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

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// An observation of a reactor about one connection. Together with others of its prefix it distinguishes a partition
/// from a single failure. Server::observe returns them.
struct Observation {
    enum class Kind : std::uint8_t {
        answered,   ///< probed ahead of the kernel, and its peer answered
        overdue,    ///< probed, and the answer is late
        closed,     ///< it ended
        suspected,  ///< probed on suspicion, it did not answer and was marked
        recovered,  ///< a suspect answered again
    };
    Kind kind{};
    CloseReason reason{};       ///< of `closed`
    std::uint8_t listener = 0;  ///< ListenerStatus::number
    IpAddress peer = {};
    std::chrono::steady_clock::time_point at = {};
    std::chrono::milliseconds last_heard{};      ///< before `at`; not set for `answered`
    std::chrono::milliseconds lived{};           ///< of `closed`
    std::chrono::milliseconds quiet{};           ///< of `closed`: since the latest item, or since the accept
    std::chrono::milliseconds answered_after{};  ///< of `answered`; beyond the limit of `overdue` on a slow network
    bool suspect = false;                        ///< of `closed`: it was suspect
    bool bad_items = false;                      ///< of `closed`: its latest item was bad
    std::uint16_t port = 0;                      ///< of the peer
};

struct Observations {
    std::vector<Observation> seen = {};  ///< in order per reactor, mixed across reactors
    std::uint64_t dropped = 0;           ///< observations beyond the storage between two calls
};

/// Peer and age of a living connection, for counting by prefix.
struct CensusEntry {
    std::uint8_t listener = 0;  ///< ListenerStatus::number
    IpAddress peer = {};
    std::chrono::steady_clock::time_point opened = {};  ///< to a tenth of a second
    bool suspect = false;
    std::uint16_t port = 0;  ///< of the peer
};

/// A difference between the registry and the kernel's socket table, or a leak.
struct Discrepancy {
    enum class Kind : std::uint8_t {
        ghost,             ///< the registry holds a connection whose socket the kernel lacks
        orphan,            ///< this process has a descriptor of a listener's socket that no connection owns
        stuck_close_wait,  ///< the peer sent FIN longer ago than the grace period, and the connection still exists
    };
    Kind kind{};
    std::string listener = {};
    Endpoint peer = {};
    ConnectionId conn = {};  ///< of a ghost and of a stuck one
    int descriptor = -1;     ///< of an orphan
};

/// One comparison of the registry with the kernel's sockets of the gateway's listeners (sock_diag(7)).
struct Reconciliation {
    EventTime at = {};
    std::chrono::milliseconds took{};
    std::size_t registry = 0;  ///< connections held
    std::size_t kernel = 0;    ///< this process's sockets on the listeners' ports, as the kernel lists them
    std::size_t ghosts = 0;
    std::size_t orphans = 0;
    std::size_t stuck_close_wait = 0;
    std::vector<Discrepancy> examples = {};  ///< at most 100
    std::string error = {};                  ///< why it failed; empty if it did not

    [[nodiscard]] std::size_t drift() const noexcept { return ghosts + orphans + stuck_close_wait; }
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
