#include "conn/admission.h"

#include <algorithm>
#include <limits>

namespace holdfast {

void Admission::set(const LimitsConfig& limits, std::size_t max_connections) {
    quota_.set_max(max_connections);
    handshakes_.set_max(limits.max_handshakes == 0 ? std::numeric_limits<std::size_t>::max() : limits.max_handshakes);
    bucket_.set_rate(limits.accept_rate);
    buffers_.set_limit(limits.buffer_budget);
    per_peer_.store(limits.max_connections_per_peer, std::memory_order_relaxed);
    per_prefix_.store(limits.max_connections_per_prefix, std::memory_order_relaxed);
}

std::optional<RefusedBy> Admission::take(const IpAddress& peer, Pass& pass) {
    if (const auto refused = take_place()) return refused;
    const auto refused = take_share(peer, pass);
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

std::optional<RefusedBy> Admission::take_share(const IpAddress& peer, Pass& pass) {
    const std::size_t per_peer = per_peer_.load(std::memory_order_relaxed);
    const std::size_t per_prefix = per_prefix_.load(std::memory_order_relaxed);
    pass.peer = per_peer != 0 && peers_.take(peer, per_peer);
    pass.prefix = per_prefix != 0 && prefixes_.take(peer, per_prefix);
    if (pass.peer == (per_peer != 0) && pass.prefix == (per_prefix != 0)) return std::nullopt;
    const RefusedBy by =
        pass.peer || per_peer == 0 ? RefusedBy::max_connections_per_prefix : RefusedBy::max_connections_per_peer;
    if (pass.peer) peers_.give_back(peer);
    if (pass.prefix) prefixes_.give_back(peer);
    pass = {};
    return by;
}

void Admission::give_back(const IpAddress& peer, Pass pass) {
    if (pass.peer) peers_.give_back(peer);
    if (pass.prefix) prefixes_.give_back(peer);
    quota_.give_back();
}

}  // namespace holdfast
