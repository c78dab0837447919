#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/result.h>

#include "app/admin_client.h"
#include "load/downlink_gateway.h"

namespace holdfast {

/// One page of GET /v1/connections. A row without a readable id and peer is left out. Pure.
struct ConnectionRows {
    std::vector<GatewayConnection> connections;
    std::size_t rows = 0;  ///< those left out too
};
[[nodiscard]] Result<ConnectionRows> read_connection_rows(std::string_view body);

/// A gateway's admin API as `holdfast load` uses it. One thread, but for break_off().
class LoadGateway final : public DownlinkGateway {
public:
    explicit LoadGateway(AdminClient admin) : admin_(std::move(admin)) {}

    Result<std::vector<GatewayConnection>> connections() override;
    Result<int> send(const std::string& id, const std::string& object) override;
    void break_off() noexcept override { admin_.break_off(); }

private:
    AdminClient admin_;
};

}  // namespace holdfast
