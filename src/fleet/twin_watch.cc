#include "fleet/twin_watch.h"

#include <algorithm>
#include <tuple>

#include "fleet/gateway_book.h"
#include "text/hex.h"
#include "text/printable.h"

namespace holdfast {

void TwinWatch::begin(SteadyTime now) {
    is_complete_ = false;
    // Without beats, twins may have ended: each must prove again that it lives.
    for (auto& [run, rival] : rivals_) {
        rival.first = rival.latest = now;
        rival.beats = 1;
    }
}

bool TwinWatch::is_rival(const GatewayRecord& beat) const {
    if (beat.name != self_.name && (beat.spool.empty() || beat.spool != self_.spool)) return false;
    return beat.place.empty() || beat.place != self_.place;
}

void TwinWatch::heard_self(SteadyTime now) {
    if (!heard_self_ || now - *heard_self_ > hears_within) {
        was_away_ = heard_self_ && now - *heard_self_ > lost_after_;
        hearing_since_ = now;
    }
    heard_self_ = now;
}

void TwinWatch::heard(const GatewayRecord& beat, SteadyTime now) {
    if (beat.run == self_.run) return heard_self(now);
    if (!is_rival(beat)) return;
    if (beat.stopped) {
        rivals_.erase(beat.run);
        return;
    }
    Rival& rival = rivals_[beat.run];
    if (rival.beats > 0 && rival.beat.at == beat.at) return;  // the same beat, delivered again
    if (rival.beats == 0) rival.first = now;
    rival.beat = beat;
    rival.latest = now;
    ++rival.beats;
    if (takes_part_ && lives(rival, now) && yields_to(rival)) takes_part_ = false;
}

bool TwinWatch::lives(const Rival& rival, SteadyTime now) const {
    return rival.beats > 1 && now - rival.latest < std::max(lost_after_, proof_within);
}

/// Returns true if this gateway yields to the rival. A gateway that has taken part for some time keeps its place. A
/// gateway that was away lost its place to a twin that came in between. If two began together, the earlier one stays.
bool TwinWatch::yields_to(const Rival& rival) const {
    if (was_away_) return true;
    if (heard_self_ && rival.first - hearing_since_ > proof_within) return false;
    return std::tie(rival.beat.since, rival.beat.run) < std::tie(self_.since, self_.run);
}

TwinWatch::Part TwinWatch::part(SteadyTime now) {
    if (takes_part_) return Part::takes;
    if (!is_complete_) return Part::waits;
    std::erase_if(rivals_, [&](const auto& entry) {
        const Rival& rival = entry.second;
        return !lives(rival, now) && now - rival.latest >= proof_within;
    });
    for (const auto& [run, rival] : rivals_) {
        if (lives(rival, now)) return Part::refused;
    }
    if (!rivals_.empty()) return Part::waits;
    takes_part_ = true;
    was_away_ = false;
    heard_self_.reset();
    return Part::takes;
}

std::string TwinWatch::twin(SteadyTime now) const {
    for (const auto& [run, rival] : rivals_) {
        if (!lives(rival, now)) continue;
        const bool is_spool = rival.beat.spool == self_.spool && !self_.spool.empty();
        return "gateway " + in_quotes(rival.beat.name) + " (run " + to_hex(rival.beat.run) +
               ") is in the fleet with this gateway's " +
               (rival.beat.name == self_.name ? is_spool ? "name and spool " + self_.spool : "name"
                                              : "spool " + self_.spool) +
               (takes_part_ ? ", came later and is ignored"
                            : ", so this gateway stays out of the fleet and serves its devices") +
               "; give each its own name in [fleet], and remove the spool's directory of a cloned machine before its "
               "start";
    }
    return "";
}

}  // namespace holdfast
