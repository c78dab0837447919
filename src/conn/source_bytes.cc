#include "conn/source_bytes.h"

#include <algorithm>
#include <new>

namespace holdfast {

/// Changes a source's count. If there is no memory for its entry, neither the bytes nor their later release are
/// counted.
void SourceBytes::change(const IpAddress& peer, std::size_t before, std::size_t after) noexcept {
    if (before == after) return;
    const IpAddress network = network_of(peer, subscriber_width);
    Part& part = parts_[part_of(network)];
    const std::lock_guard lock(part.mutex);
    after > before ? add(part, network, after - before) : take(part, network, before - after);
}

void SourceBytes::add(Part& part, const IpAddress& network, std::size_t bytes) noexcept {
    try {
        const auto [found, fresh] = part.bytes.try_emplace(network, 0);
        if (fresh) sources_.fetch_add(1, std::memory_order_relaxed);
        found->second += bytes;
        total_.fetch_add(bytes, std::memory_order_relaxed);
    } catch (const std::bad_alloc&) {
    }
}

void SourceBytes::take(Part& part, const IpAddress& network, std::size_t bytes) noexcept {
    const auto found = part.bytes.find(network);
    if (found == part.bytes.end()) return;
    const std::size_t taken = std::min(bytes, found->second);
    found->second -= taken;
    total_.fetch_sub(taken, std::memory_order_relaxed);
    if (found->second != 0) return;
    part.bytes.erase(found);
    sources_.fetch_sub(1, std::memory_order_relaxed);
}

std::size_t SourceBytes::of(const IpAddress& peer) const {
    const IpAddress network = network_of(peer, subscriber_width);
    const Part& part = parts_[part_of(network)];
    const std::lock_guard lock(part.mutex);
    const auto found = part.bytes.find(network);
    return found == part.bytes.end() ? 0 : found->second;
}

std::size_t SourceBytes::average() const noexcept {
    const std::size_t sources = sources_.load(std::memory_order_relaxed);
    return sources == 0 ? 0 : total() / sources;
}

}  // namespace holdfast
