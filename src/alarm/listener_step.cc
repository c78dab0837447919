#include "alarm/listener_step.h"

namespace holdfast {

void CloseLog::note(const Observation& observation) {
    const bool counts = row_of(observation.reason).close_class || observation.reason == CloseReason::superseded;
    if (observation.kind != Observation::Kind::closed || !counts) return;
    if (closes_.size() == max) {
        gap_ = closes_.front().at;
        closes_.pop_front();
    }
    closes_.push_back({observation.peer, observation.at, observation.at - observation.lived, observation.reason,
                       observation.listener, observation.port, observation.bad_items});
}

void CloseLog::forget_before(Time time) {
    while (!closes_.empty() && closes_.front().at < time) closes_.pop_front();
}

std::vector<CloseRecord> CloseLog::of(std::uint8_t listener, Time since) const {
    std::vector<CloseRecord> found = with_takeovers(listener, since);
    std::erase_if(found, [](const CloseRecord& closed) { return !row_of(closed.reason).close_class; });
    return found;
}

std::vector<CloseRecord> CloseLog::with_takeovers(std::uint8_t listener, Time since) const {
    std::vector<CloseRecord> found;
    for (const CloseRecord& closed : closes_) {
        if (closed.listener == listener && closed.at >= since) found.push_back(closed);
    }
    return found;
}

}  // namespace holdfast
