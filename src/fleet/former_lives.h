#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fleet/record.h"

namespace holdfast {

/// A connection that a former run of this gateway left open in the spool, of a device with an id.
struct FormerLife {
    std::string conn;
    std::string listener;
    std::string closed_line;  ///< what says its end, if no gateway of the fleet does
};

/// Decides which connections of former runs get their `closed` event from this gateway's own spool. The fleet writes it
/// for each connection that the presence bucket knew: the survivors, or this gateway for what it left there. Pure but
/// for its queue; one thread.
class FormerLives {
public:
    /// `records_last`: this gateway was away for less than records of closed devices are kept.
    FormerLives(std::vector<FormerLife> lives, bool records_last);

    struct Settled {
        std::vector<FormerLife> tell;            ///< the bucket has never known them
        std::vector<std::string> told_by_fleet;  ///< connections
    };
    using Find = std::function<std::optional<PresenceRecord>(const std::string& id)>;
    /// Looks at `most` of them; those that the fleet is still about to tell stay. Once the bucket has been read as a
    /// whole, and the survivors have had their time.
    [[nodiscard]] Settled settle(std::size_t most, const Find& find);
    /// Takes the life of that connection out; nullopt: it is not among them.
    [[nodiscard]] std::optional<FormerLife> take(const std::string& conn);
    [[nodiscard]] bool empty() const { return lives_.empty(); }

private:
    std::map<std::string, FormerLife> lives_;  // by connection
    std::string settled_up_to_;
    bool records_last_;
};

}  // namespace holdfast
