#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/server.h>

#include "fleet/command_desk.h"
#include "fleet/device_news.h"
#include "fleet/former_lives.h"
#include "fleet/gateway_book.h"
#include "fleet/presence.h"
#include "fleet/record.h"
#include "nats/nats_link.h"
#include "spool/spool.h"

namespace holdfast {

struct FleetOptions {
    std::string name;        ///< name of this gateway, unique in the fleet
    std::string place = {};  ///< identifies its spool's directory, on one machine during one boot
    std::chrono::milliseconds lost_after{10'000};
    std::size_t max_closed_unauthenticated = Presence::default_most_ended;  ///< closed records to keep
    unsigned replicas = 0;             ///< of new buckets; 0: 3 in a cluster of three or more, else 1
    std::vector<FormerLife> former;    ///< connections that earlier processes left open in the spool
    bool has_former_events = false;    ///< whether the spool contained events at the start
    std::chrono::milliseconds away{};  ///< at the start, since the newest event in the spool
    std::function<Result<std::string>(std::string_view json)> check_message;
    decltype(CommandDesk::Options::answer) answer;               ///< to other gateways' questions
    std::function<void(const std::string& trouble)> on_trouble;  ///< once when trouble begins; the fleet's thread
    std::function<void()> on_recovered;
    std::function<void(const std::string& notice)> on_notice;  ///< e.g. a lost gateway
};

/// State of one gateway as this gateway sees it.
struct FleetGateway {
    GatewayRecord record;
    GatewayState state{};
    bool self = false;
    std::chrono::milliseconds quiet{};  ///< since its latest beat arrived
    std::uint64_t devices = 0;          ///< online there according to the presence bucket
};

enum class FleetDeviceState : std::uint8_t { online, unknown, closed };
[[nodiscard]] std::string_view to_string(FleetDeviceState state) noexcept;

struct FleetDevice {
    std::string id;
    PresenceRecord record;
    FleetDeviceState state{};  ///< unknown: online at the latest beat of its gateway
};

struct FleetQuery {
    std::optional<std::string> id;
    std::optional<std::string> gateway;
    std::optional<FleetDeviceState> state;
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct FleetPage {
    std::size_t total = 0;             ///< matches on all pages
    std::vector<FleetDevice> devices;  ///< by id
};

struct FleetStatus {
    std::string name;
    std::string trouble;                        ///< empty while this gateway takes part
    std::string twin;                           ///< another gateway with the same name or spool; empty if none
    bool complete = false;                      ///< the whole presence bucket has been read
    std::uint64_t known = 0;                    ///< devices
    std::uint64_t held = 0;                     ///< devices of this gateway with a living connection
    std::uint64_t unsettled = 0;                ///< devices whose record in the bucket is not up to date
    std::uint64_t closed_unauthenticated = 0;   ///< kept records of this gateway
    std::uint64_t dropped_unauthenticated = 0;  ///< records that the budget prevented or removed early
    std::uint64_t lost_told = 0;                ///< closed events with gateway_lost that this gateway wrote
    std::uint64_t superseded = 0;               ///< connections closed for newer ones elsewhere
    std::string cut_off;                        ///< why it neither reports nor sees others; empty if it does
    std::string budget;                         ///< recent removals by the budget; empty if none
};

/// This gateway's part in a fleet: publishes where its devices are, follows those of others, closes connections of
/// devices that moved, and reports the connections of lost gateways. Owns a thread, the watches and the command desk.
/// Thread-safe. Ends by stop(), which the destructor also calls.
class Fleet {
public:
    [[nodiscard]] static std::unique_ptr<Fleet> start(Server& server, NatsLink& link, Spool& spool, DeviceNews& news,
                                                      FleetOptions options);
    virtual ~Fleet() = default;

    [[nodiscard]] virtual std::vector<FleetGateway> gateways() const = 0;
    [[nodiscard]] virtual FleetPage devices(const FleetQuery& query) const = 0;
    [[nodiscard]] virtual std::optional<FleetDevice> find(const std::string& id) const = 0;
    [[nodiscard]] virtual FleetStatus status() const = 0;
    /// Returns this gateway's connection of the id. Returns nullopt if another gateway's connection has proved the id
    /// and this one has not: the latter is about to be closed and receives no message for the id.
    [[nodiscard]] virtual std::optional<ConnectionId> find_here(const std::string& id) const = 0;
    [[nodiscard]] virtual CommandDesk& desk() = 0;

    /// Publishes the ends of the last devices and a last beat, for at most `patience`. Must be called after the server
    /// has ended.
    virtual void stop(std::chrono::milliseconds patience) = 0;
};

}  // namespace holdfast
