#include "alarm/listener_step.h"

namespace holdfast {

void CloseLog::note(const Observation& observation) {
    if (observation.kind != Observation::Kind::closed || !row_of(observation.reason).close_class) return;
    if (closes_.size() == max) closes_.pop_front();
    closes_.push_back({observation.peer, observation.at, observation.reason, observation.listener});
}

void CloseLog::forget_before(Time time) {
    while (!closes_.empty() && closes_.front().at < time) closes_.pop_front();
}

std::vector<CloseRecord> CloseLog::of(std::uint8_t listener, Time since) const {
    std::vector<CloseRecord> found;
    for (const CloseRecord& closed : closes_) {
        if (closed.listener == listener && closed.at >= since) found.push_back(closed);
    }
    return found;
}

}  // namespace holdfast
