#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/server.h>

#include "server/downlink_payload.h"

namespace holdfast {

/// The operations of a gateway that the admin API uses. Several admin threads call them at once; a call may block as
/// long as Server's. An interface, because a gateway that waits for disk space has no Server (StoppedGateway), and the
/// tests of the API have none either.
class ControlPlane {
public:
    virtual ~ControlPlane() = default;

    [[nodiscard]] virtual ServerStatus status() = 0;
    [[nodiscard]] virtual ConnectionPage list(const ConnectionQuery& query) = 0;
    [[nodiscard]] virtual std::optional<ConnectionDetail> show(ConnectionId id) = 0;
    [[nodiscard]] virtual ClosedPage closed(const ClosedQuery& query) = 0;
    [[nodiscard]] virtual std::vector<CensusEntry> census() = 0;
    [[nodiscard]] virtual BadItemPage bad_items(const BadItemQuery& query) = 0;
    [[nodiscard]] virtual std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout) = 0;
    [[nodiscard]] virtual ProbeSummary probe_all(const std::optional<Prefix>& peer,
                                                 std::chrono::milliseconds timeout) = 0;
    virtual bool close(ConnectionId id) = 0;
    virtual std::size_t close_all(const Prefix& peer) = 0;
    [[nodiscard]] virtual SendOutcome send(ConnectionId id, std::string_view message) = 0;
    [[nodiscard]] virtual Result<DrainStatus> drain(const DrainOrder& order) = 0;
    virtual std::optional<DrainStatus> cancel_drain() = 0;
    /// Returns the open connection of a device.
    [[nodiscard]] virtual std::optional<ConnectionId> find(std::string_view device) = 0;
    [[nodiscard]] virtual Delivery deliver(ConnectionId id, std::string_view message,
                                           std::chrono::milliseconds timeout) = 0;
    /// Returns the message for send() and deliver() that an operator's object means for the connection.
    [[nodiscard]] virtual Result<std::string> message_for(ConnectionId, std::string_view json_object) {
        return std::string(json_object);
    }
};

/// Forwards every call to a Server, which must outlive it.
class ServerControl final : public ControlPlane {
public:
    explicit ServerControl(Server& server) : server_(server) {}

    ServerStatus status() override { return server_.status(); }
    ConnectionPage list(const ConnectionQuery& query) override { return server_.list(query); }
    std::optional<ConnectionDetail> show(ConnectionId id) override { return server_.show(id); }
    ClosedPage closed(const ClosedQuery& query) override { return server_.closed_page(query); }
    std::vector<CensusEntry> census() override { return server_.census(); }
    BadItemPage bad_items(const BadItemQuery& query) override { return server_.bad_items(query); }
    std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout) override {
        return server_.probe(id, timeout);
    }
    ProbeSummary probe_all(const std::optional<Prefix>& peer, std::chrono::milliseconds timeout) override {
        return server_.probe_all(peer, timeout);
    }
    bool close(ConnectionId id) override { return server_.close(id); }
    std::size_t close_all(const Prefix& peer) override { return server_.close_all(peer); }
    SendOutcome send(ConnectionId id, std::string_view message) override { return server_.send(id, message); }
    Result<DrainStatus> drain(const DrainOrder& order) override { return server_.drain_over(order); }
    std::optional<DrainStatus> cancel_drain() override { return server_.cancel_drain(); }
    std::optional<ConnectionId> find(std::string_view device) override { return server_.find(device); }
    Delivery deliver(ConnectionId id, std::string_view message, std::chrono::milliseconds timeout) override {
        return server_.deliver(id, message, timeout);
    }
    Result<std::string> message_for(ConnectionId id, std::string_view json_object) override {
        return downlink_payload(server_, id, json_object);
    }

private:
    Server& server_;
};

}  // namespace holdfast
