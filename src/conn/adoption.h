#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "conn/connection.h"
#include "conn/kept_reactor.h"

namespace holdfast {

/// Facts about a connection that an earlier process left in a slot.
struct SlotFacts {
    Stage stage{};
    bool encrypted = false;
    bool identified = false;
    bool has_device = false;  ///< the name of its device is kept
    bool parting = false;
    bool has_unfinished = false;  ///< bytes of a partial item were in the earlier process's memory
    bool had_downlink = false;    ///< output was queued or unacknowledged
    LostOutput lost_output{};     ///< likewise bytes to the peer
    bool handing_on = false;      ///< the process ended while bytes of it were handed on
    bool reading = false;         ///< likewise in recv(2), or before its bytes were counted
    bool listener_known = false;  ///< the configuration has its listener
    bool has_preamble = false;    ///< the listener's connections begin with a PROXY header or a TLS handshake
    std::uint64_t bytes_in = 0;
    Endpoint peer;

    // Facts about the descriptor.
    bool is_socket = false;  ///< it is a TCP socket that does not listen
    bool ended = false;      ///< the kernel has no peer for it any more
    Endpoint kernel_peer;
    std::optional<std::uint64_t> bytes_read;

    /// Returns the bytes of the kernel's count that Connection::bytes_in counts, too.
    [[nodiscard]] std::optional<std::uint64_t> counted() const { return has_preamble ? std::nullopt : bytes_read; }
};

/// Treatment of such a connection.
enum class Adoption : std::uint8_t {
    drop,     ///< it is not reported: its end was, or nothing of it
    readmit,  ///< the handler does not know it, and nothing was read: it is admitted like one just accepted
    end,      ///< it is closed as `gateway_crashed`
    detach,   ///< likewise, and the descriptor, which no other slot has, does not fit it
    keep,
    resync,  ///< it is kept, and the stream goes on behind bytes that are lost
};

/// Connections that a shard took over.
struct AdoptionCounts {
    std::uint64_t kept = 0;
    std::uint64_t closed = 0;          ///< as `gateway_crashed`
    std::uint64_t resynchronized = 0;  ///< of those kept
    std::vector<Token> cut;            ///< the first of those resynchronized

    static constexpr std::size_t max_cut = 16;
};

struct AdoptionVerdict {
    Adoption adoption{};
    std::string_view detail = {};  ///< for the `closed` event; static text
};

/// Decides about a connection of an earlier process. Pure.
[[nodiscard]] AdoptionVerdict classify_slot(const SlotFacts& facts);

}  // namespace holdfast
