#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fleet/record.h"
#include "sink/lost_connections.h"

namespace holdfast {

/// Selects the connections of former runs whose `closed` event this gateway writes from its own spool. The fleet writes
/// it for each connection in the presence bucket: the survivors, or this gateway for its own. Pure except for its
/// queue; one thread.
class FormerLives {
public:
    /// Takes the former lives. `records_last`: this gateway was away for less time than records of closed devices are
    /// kept.
    FormerLives(std::vector<FormerConnection> lives, bool records_last);

    struct Settled {
        std::vector<FormerConnection> tell;          ///< never in the bucket
        std::vector<std::string> reported_by_fleet;  ///< connections
    };
    using Find = std::function<std::optional<PresenceRecord>(const std::string& id)>;
    /// Settles `max` of them, and keeps those that the fleet has yet to report. Must be called after the whole bucket
    /// has been read and the survivors' time has passed.
    [[nodiscard]] Settled settle(std::size_t max, const Find& find);
    /// Removes and returns that connection, or returns nullopt if it is unknown.
    [[nodiscard]] std::optional<FormerConnection> take(const std::string& conn);
    [[nodiscard]] bool empty() const { return lives_.empty(); }

private:
    std::map<std::string, FormerConnection> lives_;  // by connection
    std::string settled_up_to_;
    bool records_last_;
};

}  // namespace holdfast
