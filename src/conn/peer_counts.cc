#include "conn/peer_counts.h"

#include <functional>
#include <string_view>

#include "net/address.h"

namespace holdfast {

bool PeerCounts::take(const IpAddress& peer, std::size_t max) {
    const IpAddress network = network_of(peer, width_);
    Part& part = part_of(network);
    const std::lock_guard lock(part.mutex);
    const auto [found, fresh] = part.counts.try_emplace(network, 0);
    if (found->second >= max) {
        if (fresh) part.counts.erase(found);
        return false;
    }
    ++found->second;
    return true;
}

void PeerCounts::give_back(const IpAddress& peer) {
    const IpAddress network = network_of(peer, width_);
    Part& part = part_of(network);
    const std::lock_guard lock(part.mutex);
    const auto found = part.counts.find(network);
    if (found != part.counts.end() && --found->second == 0) part.counts.erase(found);
}

std::size_t PeerCounts::networks() const {
    std::size_t sum = 0;
    for (const Part& part : parts_) {
        const std::lock_guard lock(part.mutex);
        sum += part.counts.size();
    }
    return sum;
}

IpAddress network_of(const IpAddress& peer, NetworkWidth width) noexcept {
    return masked(peer, peer.is_v4() ? 96 + width.v4 : width.v6);
}

std::size_t NetworkHash::operator()(const IpAddress& address) const noexcept {
    const auto* bytes = reinterpret_cast<const char*>(address.bytes.data());
    return std::hash<std::string_view>{}({bytes, address.bytes.size()});
}

}  // namespace holdfast
