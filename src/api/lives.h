#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/status.h>

#include "api/api_endpoint.h"
#include "fleet/fleet_view.h"
#include "text/json_writer.h"

namespace holdfast {

/// The answer of one gateway of the fleet to a question about closed connections.
struct LivesOfGateway {
    std::string gateway;
    std::optional<std::string> answer;  ///< as render_closed() writes it; nullopt: the gateway does not answer
};
/// Queries the other gateways of the fleet for closed connections. Called by several admin threads at once; returns
/// within a second.
using QueryLives = std::function<std::vector<LivesOfGateway>(const ClosedQuery&)>;

/// Returns the query as a target of GET /v1/closed, and reads it back. Pure.
[[nodiscard]] std::string closed_target(const ClosedQuery& query);
[[nodiscard]] std::optional<ClosedQuery> read_closed_target(std::string_view target);

[[nodiscard]] ClosedQuery read_closed_query(const ApiArguments& given);

/// Closed connections of several gateways, as rows of JSON. One thread.
class Lives {
public:
    /// Adds the answer of a gateway; without a name, the rows do not name one.
    void add(const std::string& gateway, const ClosedPage& page);
    void add(const LivesOfGateway& other);
    /// Adds the latest connection of a device according to the fleet, unless the rows have it.
    void add(const FleetDevice& device);

    /// Removes the rows of other ids: an id may end with the '*' of a pattern.
    void keep(std::string_view id);

    [[nodiscard]] bool empty() const { return rows_.empty(); }
    /// Writes "total" and, as `name`, the rows of one page, the latest first. In a fleet also "silent_gateways".
    void write(JsonWriter& json, std::string_view name, std::size_t offset, std::size_t limit);

private:
    struct Row {
        std::string at;
        std::string conn;
        std::string id;
        std::string json;
    };
    void add_row(const std::string& gateway, Row row);

    std::size_t total_ = 0;
    std::vector<Row> rows_;
    std::vector<std::string> silent_;
    bool in_fleet_ = false;
};

}  // namespace holdfast
