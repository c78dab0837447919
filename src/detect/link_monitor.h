#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/endpoint.h>

#include "tcp/route.h"

namespace holdfast {

/// A failed interface of this host that leads to connected peers.
struct LinkOutage {
    std::string interface;
    std::string why;       ///< "has no carrier"
    unsigned percent = 0;  ///< share of the peers behind it

    friend bool operator==(const LinkOutage&, const LinkOutage&) = default;
};

/// Finds failures of this host's interfaces and routes that lead to connected peers. Learns the routes to a sample of
/// the peers while all is well. Owns that sample; reads the kernel through Sources. One thread.
class LinkMonitor {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::seconds learn_every{2};
    static constexpr std::size_t max_peers = 128;    ///< of the sample, checked
    static constexpr std::size_t route_checks = 16;  ///< peers of each interface whose route is looked up in one check
    static constexpr unsigned min_percent = 5;       ///< share of the peers behind a link whose outage counts

    struct Sources {
        std::function<std::vector<IpAddress>()> peers;  ///< a sample of the connected peers
        std::function<std::optional<RouteAnswer>(const IpAddress&)> route_to;
        std::function<std::optional<InterfaceState>(int)> interface;
    };

    explicit LinkMonitor(Sources sources) : sources_(std::move(sources)) {}

    /// Returns the current outages; call about once a second.
    [[nodiscard]] std::vector<LinkOutage> check(Time now);

private:
    void learn();
    [[nodiscard]] std::optional<std::string> name_if_up(int link) const;
    [[nodiscard]] std::vector<IpAddress> sample() const;
    [[nodiscard]] std::map<int, std::string> failed_links() const;
    [[nodiscard]] std::optional<std::string> failure_of(int link) const;
    [[nodiscard]] std::optional<std::string> lost_route_of(int link) const;

    const Sources sources_;
    std::map<IpAddress, int> ways_;     // peer to interface, while all was well
    std::map<int, std::string> links_;  // their names
    std::optional<Time> learned_;
};

}  // namespace holdfast
