#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>

#include "base/clock.h"
#include "model/identity.h"

namespace holdfast {

/// Record of a device in the presence bucket: its latest connection, at whichever gateway.
struct PresenceRecord {
    std::string gateway;
    std::uint32_t run = 0;  ///< identifies the process of the gateway: drawn at each start
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    WallTime since;
    WallTime accepted = {};  ///< time of establishment by the gateway's clock; zero: unknown
    bool online = false;
    Identity identity = Identity::claimed;
    // Only if `online` is false:
    std::optional<CloseReason> reason = {};  ///< nullopt: the end was not observed
    WallTime closed_at = {};
    std::string by = {};  ///< the gateway that found `gateway` lost; empty: `gateway` itself reported the end

    friend bool operator==(const PresenceRecord&, const PresenceRecord&) = default;
};

/// Beat of a gateway in the gateways' bucket.
struct GatewayRecord {
    std::string name = {};
    std::uint32_t run = 0;
    WallTime since = {};
    WallTime at = {};
    bool stopped = false;  ///< last beat of an orderly stop
    std::uint64_t connections = 0;
    std::uint64_t devices = 0;
    std::string spool = {};  ///< id of its spool; empty: from an older version
    std::string place = {};  ///< the spool's directory, of one boot of one machine; empty: from an older version

    friend bool operator==(const GatewayRecord&, const GatewayRecord&) = default;
};

/// Returns "2026-11-22T08:00:00.123Z".
[[nodiscard]] std::string time_text(WallTime at);

// Convert to and from JSON, as in docs/explanation/fleet.md. Parsing ignores unknown fields, and returns nullopt if the
// text is not such a record. Pure.
[[nodiscard]] std::string to_json(const PresenceRecord& record);
[[nodiscard]] std::optional<PresenceRecord> read_presence(std::string_view json);
[[nodiscard]] std::string to_json(const GatewayRecord& record);
[[nodiscard]] std::optional<GatewayRecord> read_gateway(std::string_view json);

}  // namespace holdfast
