#include "conn/admission.h"

#include <algorithm>
#include <limits>
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

void Admission::set(const LimitsConfig& limits, std::size_t max_connections) {
    quota_.set_max(max_connections);
    handshakes_.set_max(limits.max_handshakes == 0 ? std::numeric_limits<std::size_t>::max() : limits.max_handshakes);
    bucket_.set_rate(limits.accept_rate);
    buffers_.set_limit(limits.buffer_budget);
    per_peer_.store(limits.max_connections_per_peer, std::memory_order_relaxed);
    per_prefix_.store(limits.max_connections_per_prefix, std::memory_order_relaxed);
}

std::optional<RefusedBy> Admission::take(const IpAddress& peer, AdmissionGuard& guard) {
    if (const auto refused = take_place()) return refused;
    const auto refused = take_share(peer, guard);
    if (refused) quota_.give_back();
    return refused;
}

std::optional<RefusedBy> Admission::take_place() {
    if (!quota_.take()) return RefusedBy::max_connections;
    return std::nullopt;
}

bool Admission::has_room_for_session() const noexcept {
    const std::size_t loose = sources_.total();
    const std::size_t used = buffers_.used();
    return buffers_.stage_at(used - std::min(loose, used)) < BufferStage::refuse_sessions;
}

std::optional<RefusedBy> Admission::take_share(const IpAddress& peer, AdmissionGuard& guard) {
    const std::size_t per_peer = per_peer_.load(std::memory_order_relaxed);
    const std::size_t per_prefix = per_prefix_.load(std::memory_order_relaxed);
    guard.peer = per_peer != 0 && peers_.take(peer, per_peer);
    guard.prefix = per_prefix != 0 && prefixes_.take(peer, per_prefix);
    if (guard.peer == (per_peer != 0) && guard.prefix == (per_prefix != 0)) return std::nullopt;
    const RefusedBy by =
        guard.peer || per_peer == 0 ? RefusedBy::max_connections_per_prefix : RefusedBy::max_connections_per_peer;
    if (guard.peer) peers_.give_back(peer);
    if (guard.prefix) prefixes_.give_back(peer);
    guard = {};
    return by;
}

AdmissionGuard Admission::adopt(const IpAddress& peer, std::uint32_t order) {
    quota_.take_anyway();
    std::uint32_t next = accept_order_.load(std::memory_order_relaxed);
    while (static_cast<std::int32_t>(order + 1 - next) > 0 &&
           !accept_order_.compare_exchange_weak(next, order + 1, std::memory_order_relaxed)) {
    }
    AdmissionGuard guard;
    static_cast<void>(take_share(peer, guard));  // beyond a limit, it stays uncounted
    return guard;
}

void Admission::give_back(const IpAddress& peer, AdmissionGuard guard) {
    if (guard.peer) peers_.give_back(peer);
    if (guard.prefix) prefixes_.give_back(peer);
    quota_.give_back();
}

}  // namespace holdfast
