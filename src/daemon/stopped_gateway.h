#pragma once

#include "api/control_plane.h"

namespace holdfast {

/// A ControlPlane without a gateway, for the parts of the admin API that need none. Any thread.
class StoppedGateway final : public ControlPlane {
public:
    [[nodiscard]] ServerStatus status() override { return {}; }
    [[nodiscard]] ConnectionPage list(const ConnectionQuery&) override { return {}; }
    [[nodiscard]] std::optional<ConnectionDetail> show(ConnectionId) override { return std::nullopt; }
    [[nodiscard]] ClosedPage closed(const ClosedQuery&) override { return {}; }
    [[nodiscard]] std::vector<CensusEntry> census() override { return {}; }
    [[nodiscard]] BadItemPage bad_items(const BadItemQuery&) override { return {}; }
    [[nodiscard]] std::optional<ProbeAnswer> probe(ConnectionId, std::chrono::milliseconds) override {
        return std::nullopt;
    }
    [[nodiscard]] ProbeSummary probe_all(const std::optional<Prefix>&, std::chrono::milliseconds) override {
        return {};
    }
    bool close(ConnectionId) override { return false; }
    std::size_t close_all(const Prefix&) override { return 0; }
    [[nodiscard]] SendOutcome send(ConnectionId, std::string_view) override { return {}; }
    [[nodiscard]] Result<DrainStatus> drain(const DrainOrder&) override {
        return Error{"cannot drain: the gateway has not started"};
    }
    std::optional<DrainStatus> cancel_drain() override { return std::nullopt; }
    [[nodiscard]] std::optional<ConnectionId> find(std::string_view) override { return std::nullopt; }
    [[nodiscard]] Delivery deliver(ConnectionId, std::string_view, std::chrono::milliseconds) override { return {}; }
};

}  // namespace holdfast
