#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <holdfast/server.h>

namespace holdfast {

/// The questions that the admin API asks of a gateway; Server answers them, see server_control.h. Called on admin
/// threads, several at once; a call may block for as long as Server's do.
class ControlPlane {
public:
    virtual ~ControlPlane() = default;

    [[nodiscard]] virtual ServerStatus status() = 0;
    [[nodiscard]] virtual ConnectionPage list(const ConnectionQuery& query) = 0;
    [[nodiscard]] virtual std::optional<ConnectionDetail> show(ConnectionId id) = 0;
    [[nodiscard]] virtual std::vector<ClosedLife> closed(const ClosedQuery& query) = 0;
    [[nodiscard]] virtual std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout) = 0;
    [[nodiscard]] virtual ProbeSummary probe_all(const std::optional<Prefix>& peer,
                                                 std::chrono::milliseconds timeout) = 0;
    virtual bool close(ConnectionId id) = 0;
    virtual std::size_t close_all(const Prefix& peer) = 0;
    [[nodiscard]] virtual SendOutcome send(ConnectionId id, std::string_view json_object) = 0;
    [[nodiscard]] virtual Result<DrainStatus> drain(const DrainOrder& order) = 0;
    virtual std::optional<DrainStatus> cancel_drain() = 0;
    /// The living connection of a device.
    [[nodiscard]] virtual std::optional<ConnectionId> find(std::string_view device) = 0;
    [[nodiscard]] virtual Delivery deliver(ConnectionId id, std::string_view json_object,
                                           std::chrono::milliseconds patience) = 0;
};

}  // namespace holdfast
