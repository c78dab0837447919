#include "fleet/gateway_book.h"

#include <algorithm>

namespace holdfast {

std::string_view to_string(GatewayState state) noexcept {
    switch (state) {
        case GatewayState::online:
            return "online";
        case GatewayState::silent:
            return "silent";
        case GatewayState::lost:
            return "lost";
        case GatewayState::stopped:
            return "stopped";
    }
    return "";
}

void GatewayBook::heard(const GatewayRecord& beat, SteadyTime now) {
    if (beat.name == self_ && beat.run != run_) return;  // from a former run, or from a twin (fleet/twin_watch.h)
    const auto known = gateways_.find(beat.name);
    // A restarted watch delivers the latest beats again.
    if (known != gateways_.end() && known->second.beats > 0 && known->second.record == beat) return;
    if (beat.name == self_) {
        if (!hears(now)) hearing_since_ = now;
        heard_self_ = now;
    }
    Gateway& gateway = gateways_[beat.name];
    if (gateway.record.run != beat.run) gateway.beats = 0;
    gateway.record = beat;
    gateway.heard = now;
    ++gateway.beats;
    gateway.lost = false;
    gateway.taken_over = false;
}

void GatewayBook::mentioned(const std::string& name, SteadyTime now) {
    if (name == self_ || gateways_.contains(name)) return;
    Gateway& gateway = gateways_[name];
    gateway.record.name = name;
    gateway.heard = now;
}

std::chrono::milliseconds GatewayBook::silence(const Gateway& gateway, SteadyTime now) const {
    const SteadyTime since = std::max(gateway.heard, hearing_since_);
    return std::chrono::floor<std::chrono::milliseconds>(now - since);
}

/// Returns the number of living gateways that precede this one.
unsigned GatewayBook::rank() const {
    unsigned before = 0;
    for (const auto& [name, gateway] : gateways_) {
        if (name < self_ && !gateway.lost && !gateway.record.stopped) ++before;
    }
    return before;
}

GatewayBook::Judgement GatewayBook::classify(SteadyTime now) {
    Judgement judgement;
    if (!hears(now)) return judgement;
    for (auto& [name, gateway] : gateways_) {
        if (name == self_ || gateway.lost || silence(gateway, now) < lost_after_) continue;
        // An orderly stopped gateway may have left devices too, if it could not report their ends.
        if (!gateway.record.stopped) judgement.lost.push_back(name);
        gateway.lost = true;
    }
    const auto delay = rank() * survivor_step;
    for (auto& [name, gateway] : gateways_) {
        if (!gateway.lost || gateway.taken_over || silence(gateway, now) < lost_after_ + delay) continue;
        gateway.taken_over = true;
        judgement.take_over.push_back(name);
    }
    return judgement;
}

GatewayState GatewayBook::state_of(const std::string& name, SteadyTime now) const {
    const Gateway* const gateway = find(name);
    if (name == self_) return GatewayState::online;
    if (gateway == nullptr) return GatewayState::silent;
    if (gateway->record.stopped) return GatewayState::stopped;
    if (gateway->lost) return GatewayState::lost;
    return hears(now) && silence(*gateway, now) >= silent_after ? GatewayState::silent : GatewayState::online;
}

std::vector<std::string> GatewayBook::long_gone(SteadyTime before) const {
    std::vector<std::string> names;
    for (const auto& [name, gateway] : gateways_) {
        if (gateway.lost && gateway.heard < before) names.push_back(name);
    }
    return names;
}

const GatewayBook::Gateway* GatewayBook::find(const std::string& name) const {
    const auto found = gateways_.find(name);
    return found == gateways_.end() ? nullptr : &found->second;
}

}  // namespace holdfast
