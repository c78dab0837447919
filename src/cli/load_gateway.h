#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/result.h>

#include "client/admin_client.h"
#include "load/downlink_requester.h"

namespace holdfast {

/// A page of GET /v1/connections. Rows without a readable id and peer are omitted. Pure.
struct ConnectionRows {
    std::vector<GatewayConnection> connections;
    std::size_t rows = 0;  ///< includes the omitted rows
};
[[nodiscard]] Result<ConnectionRows> read_connection_rows(std::string_view body);

/// A gateway's admin API as `holdfast load` uses it. Used by one thread, except break_off().
class LoadGateway final : public DownlinkGateway {
public:
    LoadGateway(AdminAccess access, AdminClient admin) : access_(std::move(access)), admin_(std::move(admin)) {}

    Result<std::vector<GatewayConnection>> connections() override;
    Result<int> send(const std::string& id, const std::string& object) override;
    void break_off() noexcept override { admin_.break_off(); }

private:
    const AdminAccess access_;
    AdminClient admin_;
};

}  // namespace holdfast
