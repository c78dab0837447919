#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/result.h>

#include "app/http_exchange.h"
#include "load/downlink_gateway.h"

namespace holdfast {

/// One page of GET /v1/connections. A row without a readable id and peer is left out. Pure.
struct ConnectionRows {
    std::vector<GatewayConnection> connections;
    std::size_t rows = 0;  ///< those left out too
};
[[nodiscard]] Result<ConnectionRows> read_connection_rows(std::string_view body);

/// A gateway's admin API as `holdfast load` uses it. Owns its HTTP connection; one thread, but for break_off().
class LoadGateway final : public DownlinkGateway {
public:
    /// `token` opens it; empty: it asks for none.
    LoadGateway(const Endpoint& admin, std::string token) : admin_(admin), exchange_(admin, std::move(token)) {}

    Result<std::vector<GatewayConnection>> connections() override;
    Result<int> send(const std::string& id, const std::string& object) override;
    void break_off() noexcept override { exchange_.break_off(); }

private:
    [[nodiscard]] Error no_answer(const Error& why) const;

    Endpoint admin_;
    HttpExchange exchange_;
};

}  // namespace holdfast
