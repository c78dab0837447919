#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>

#include "base/clock.h"

namespace holdfast {

/// A device in the presence bucket: its latest connection, wherever that is or was.
struct PresenceRecord {
    std::string gateway;
    std::uint32_t run = 0;  ///< of the gateway's part in the fleet: drawn anew by each start
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    WallTime since;
    WallTime accepted = {};  ///< when the connection was established, by the gateway's clock; zero: unknown
    bool online = false;
    bool proved = false;  ///< to be that device, by a certificate or a token
    // Where it is not:
    std::optional<CloseReason> reason = {};  ///< nothing: it was not seen how it ended
    WallTime closed_at = {};
    std::string by = {};  ///< the gateway that found that `gateway` was lost; empty: it said so itself

    friend bool operator==(const PresenceRecord&, const PresenceRecord&) = default;
};

/// A gateway in the gateways' bucket: its beat.
struct GatewayRecord {
    std::string name = {};
    std::uint32_t run = 0;
    WallTime since = {};
    WallTime at = {};
    bool stopped = false;  ///< its last beat: it ended in an orderly way
    std::uint64_t connections = 0;
    std::uint64_t devices = 0;
    std::string spool = {};  ///< the id of its spool; empty: of an older version
    std::string place = {};  ///< the spool's directory, of one boot of one machine; empty: of an older version

    friend bool operator==(const GatewayRecord&, const GatewayRecord&) = default;
};

/// Returns "2026-11-22T08:00:00.123Z".
[[nodiscard]] std::string time_text(WallTime at);

// As JSON, as docs/explanation/fleet.md shows them. Reading passes over fields that it does not know; nothing: it is no
// such record. Pure.
[[nodiscard]] std::string to_json(const PresenceRecord& record);
[[nodiscard]] std::optional<PresenceRecord> read_presence(std::string_view json);
[[nodiscard]] std::string to_json(const GatewayRecord& record);
[[nodiscard]] std::optional<GatewayRecord> read_gateway(std::string_view json);

/// "7f2c91a0"
[[nodiscard]] std::string run_text(std::uint32_t run);

}  // namespace holdfast
