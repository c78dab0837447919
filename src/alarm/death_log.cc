#include "alarm/death_log.h"

namespace holdfast {

std::optional<DeathClass> class_of(CloseReason reason) {
    switch (reason) {
        case CloseReason::kicked:
        case CloseReason::superseded:
        case CloseReason::unauthenticated:  // it never was a device's
        case CloseReason::drained:
        case CloseReason::shutdown:
        case CloseReason::gateway_lost:
            return std::nullopt;
        case CloseReason::peer_closed:
            return DeathClass::orderly;
        case CloseReason::peer_reset:
            return DeathClass::reset;
        default:
            return DeathClass::hard;
    }
}

void DeathLog::note(const Observation& observation) {
    if (observation.kind != Observation::Kind::closed || !class_of(observation.reason)) return;
    if (deaths_.size() == most) deaths_.pop_front();
    deaths_.push_back({observation.peer, observation.at, observation.reason, observation.listener});
}

void DeathLog::forget_before(Time time) {
    while (!deaths_.empty() && deaths_.front().at < time) deaths_.pop_front();
}

std::vector<DeathRecord> DeathLog::of(std::uint8_t listener, Time since) const {
    std::vector<DeathRecord> found;
    for (const DeathRecord& death : deaths_) {
        if (death.listener == listener && death.at >= since) found.push_back(death);
    }
    return found;
}

}  // namespace holdfast
