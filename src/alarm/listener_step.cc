#include "alarm/listener_step.h"

namespace holdfast {

void DeathLog::note(const Observation& observation) {
    if (observation.kind != Observation::Kind::closed || !row_of(observation.reason).death) return;
    if (deaths_.size() == max) deaths_.pop_front();
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
