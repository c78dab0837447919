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
    std::string name;        ///< of this gateway: no other has it
    std::string place = {};  ///< of its spool's directory: no other machine, and no other boot, has the same
    std::chrono::milliseconds lost_after{10'000};
    std::size_t max_closed_unauthenticated = Presence::default_most_ended;  ///< records kept
    unsigned replicas = 0;             ///< of buckets that it makes; 0: 3 in a cluster of three or more, else 1
    std::vector<FormerLife> former;    ///< connections that earlier processes left open in the spool
    bool has_former_events = false;    ///< there were events in the spool at the start
    std::chrono::milliseconds away{};  ///< since the newest event that was in the spool at the start
    std::function<Result<std::string>(std::string_view json)> check_message;
    decltype(CommandDesk::Options::answer) answer;               ///< to other gateways' questions
    std::function<void(const std::string& trouble)> on_trouble;  ///< once when it begins; the fleet's thread
    std::function<void()> on_recovered;
    std::function<void(const std::string& notice)> on_notice;  ///< e.g. that a gateway was lost
};

/// A gateway of the fleet as this one sees it.
struct FleetGateway {
    GatewayRecord record;
    GatewayState state{};
    bool self = false;
    std::chrono::milliseconds quiet{};  ///< since its latest beat came
    std::uint64_t devices = 0;          ///< that are online there by the presence bucket
};

enum class FleetDeviceState : std::uint8_t { online, unknown, closed };
[[nodiscard]] std::string_view to_string(FleetDeviceState state) noexcept;

struct FleetDevice {
    std::string id;
    PresenceRecord record;
    FleetDeviceState state{};  ///< unknown: online when its gateway was last heard of
};

struct FleetQuery {
    std::optional<std::string> id;
    std::optional<std::string> gateway;
    std::optional<FleetDeviceState> state;
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct FleetPage {
    std::size_t total = 0;             ///< that match, on all pages
    std::vector<FleetDevice> devices;  ///< by id
};

struct FleetStatus {
    std::string name;
    std::string trouble;                        ///< empty while it takes part
    std::string twin;                           ///< another gateway with its name or spool; empty: there is none
    bool complete = false;                      ///< the presence bucket has been read as a whole
    std::uint64_t known = 0;                    ///< devices
    std::uint64_t held = 0;                     ///< of those, this gateway's own living ones
    std::uint64_t unsettled = 0;                ///< that the bucket does not have as they are yet
    std::uint64_t closed_unauthenticated = 0;   ///< records of this gateway's that are kept
    std::uint64_t dropped_unauthenticated = 0;  ///< that were not, or were removed early, because of the budget
    std::uint64_t lost_told = 0;                ///< closed events, gateway_lost, that this gateway has told
    std::uint64_t superseded = 0;               ///< connections that it closed for newer ones elsewhere
    std::string cut_off;                        ///< why it neither reports nor sees others; empty while it does
    std::string budget;                         ///< what the budget has lately removed; empty: nothing
};

/// This gateway's part in a fleet: tells all where its devices are, sees where the others' are, takes its leave of
/// devices that have gone elsewhere, and tells the end of those whose gateway was lost. Owns a thread, the watches and
/// the command desk. Ends by stop(), which the destructor calls too. Thread-safe.
class Fleet {
public:
    [[nodiscard]] static std::unique_ptr<Fleet> start(Server& server, NatsLink& link, Spool& spool, DeviceNews& news,
                                                      FleetOptions options);
    virtual ~Fleet() = default;

    [[nodiscard]] virtual std::vector<FleetGateway> gateways() const = 0;
    [[nodiscard]] virtual FleetPage devices(const FleetQuery& query) const = 0;
    [[nodiscard]] virtual std::optional<FleetDevice> find(const std::string& id) const = 0;
    [[nodiscard]] virtual FleetStatus status() const = 0;
    /// This gateway's connection of the id, unless another gateway has one that has proved the id and this one has not:
    /// such a connection is about to be closed, and gets nothing that is sent to the id.
    [[nodiscard]] virtual std::optional<ConnectionId> find_here(const std::string& id) const = 0;
    [[nodiscard]] virtual CommandDesk& desk() = 0;

    /// When the server has ended: tells the fleet how the last devices did and takes its leave, for at most `patience`.
    virtual void stop(std::chrono::milliseconds patience) = 0;
};

}  // namespace holdfast
