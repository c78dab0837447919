#include "detect/link_monitor.h"

#include <algorithm>
#include <utility>

namespace holdfast {

std::vector<LinkOutage> LinkMonitor::check(Time now) {
    const std::map<int, std::string> failed = failed_links();
    if (failed.empty()) {
        if (!learned_ || ways_.empty() || now - *learned_ >= learn_every) {
            learn();
            learned_ = now;
        }
        return {};
    }
    const std::vector<IpAddress> peers = sample();
    std::vector<LinkOutage> outages;
    for (const auto& [link, why] : failed) {
        const auto behind = std::count_if(peers.begin(), peers.end(), [this, link = link](const IpAddress& peer) {
            const auto way = ways_.find(peer);
            return way != ways_.end() && way->second == link;
        });
        const auto percent =
            peers.empty() ? 0 : static_cast<unsigned>(100 * static_cast<std::size_t>(behind) / peers.size());
        if (percent >= min_percent) outages.push_back({links_.at(link), why, percent});
    }
    // A failed link is removed when it leads to no connection.
    if (outages.empty()) learn();
    return outages;
}

/// Ignores a link without carrier: such an interface may work without ever reporting one. A peer whose route or link
/// has failed since keeps its former link, because check() may not have seen that failure yet.
void LinkMonitor::learn() {
    const std::map<IpAddress, int> former = std::exchange(ways_, {});
    const std::map<int, std::string> former_links = std::exchange(links_, {});
    std::map<int, std::optional<std::string>> names;
    for (const IpAddress& peer : sample()) {
        if (ways_.contains(peer)) continue;
        const auto route = sources_.route_to(peer);
        int link = route && route->error == 0 ? route->interface : 0;
        if (link != 0 && !names.contains(link)) names[link] = name_if_up(link);
        std::optional<std::string> name = link != 0 ? names[link] : std::nullopt;
        if (!name) {
            const auto way = former.find(peer);
            if (way == former.end()) continue;
            link = way->second;
            name = former_links.at(link);
        }
        links_[link] = *name;
        ways_[peer] = link;
    }
}

std::optional<std::string> LinkMonitor::name_if_up(int link) const {
    const auto state = sources_.interface(link);
    return state && state->up && state->carrier ? std::optional(state->name) : std::nullopt;
}

/// Thins the sample out, evenly and deterministically.
std::vector<IpAddress> LinkMonitor::sample() const {
    const std::vector<IpAddress> all = sources_.peers();
    const std::size_t stride = all.size() / max_peers + 1;
    std::vector<IpAddress> some;
    for (std::size_t i = 0; i < all.size(); i += stride) some.push_back(all[i]);
    return some;
}

std::map<int, std::string> LinkMonitor::failed_links() const {
    std::map<int, std::string> failed;
    for (const auto& [link, name] : links_) {
        auto why = failure_of(link);
        if (!why) why = lost_route_of(link);
        if (why) failed[link] = *why;
    }
    return failed;
}

std::optional<std::string> LinkMonitor::failure_of(int link) const {
    const auto state = sources_.interface(link);
    if (!state) {
        // The interface is gone only if the kernel still answers.
        const bool answers = sources_.route_to(ways_.begin()->first).has_value();
        return answers ? std::optional<std::string>("was removed") : std::nullopt;
    }
    if (!state->up) return "is down";
    if (!state->carrier) return "has no carrier";
    return std::nullopt;
}

/// Returns why, if four in five of the peers behind the link have no route.
std::optional<std::string> LinkMonitor::lost_route_of(int link) const {
    std::size_t asked = 0;
    std::size_t lost = 0;
    IpAddress example;
    for (const auto& [peer, way] : ways_) {
        if (way != link) continue;
        const auto route = sources_.route_to(peer);
        if (!route) return std::nullopt;
        if (route->error != 0) {
            ++lost;
            example = peer;
        }
        if (++asked == route_checks) break;
    }
    if (asked == 0 || 5 * lost < 4 * asked) return std::nullopt;
    return "has no route to " + to_string(example);
}

}  // namespace holdfast
