#include "detect/failure_detector.h"

#include <algorithm>
#include <utility>

#include <holdfast/reason.h>

#include "net/address.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds first_pause = seconds(5);
constexpr milliseconds longest_pause = std::chrono::minutes(10);
constexpr milliseconds late_after{400};  // a later answer was overdue when it was checked
constexpr milliseconds last_check_after{
    5'500};                               // period in which a probe's answer is checked (PendingProbes::check_times)
constexpr double late_share = 0.1;        // of the answers: more than loss explains
constexpr double overdue_share = 0.25;    // of the probes: more than loss or single failures explain
constexpr double min_on_time = 32;        // answers that are needed before silence counts
constexpr double tempo_memory = 2'000.0;  // probes

// By rank: the whole listener, then prefixes.
constexpr std::array<unsigned, 5> v4_bits{0, 96 + 8, 96 + 16, 96 + 24, 128};
constexpr std::array<unsigned, 5> v6_bits{0, 32, 48, 64, 128};

bool is_silence(const Observation& observation) {
    switch (observation.kind) {
        case Observation::Kind::answered:
        case Observation::Kind::suspected:
        case Observation::Kind::recovered:
            return false;
        case Observation::Kind::overdue:
            return true;
        case Observation::Kind::closed:
            return observation.reason == CloseReason::keepalive_expired ||
                   observation.reason == CloseReason::retransmit_expired ||
                   observation.reason == CloseReason::unreachable;
    }
    return false;
}

/// Returns true if the observation counts: it concerns neither a suspect nor the end of a connection that never
/// answered.
bool is_sign(const Observation& observation) {
    switch (observation.kind) {
        case Observation::Kind::answered:
        case Observation::Kind::overdue:
            return true;
        case Observation::Kind::closed:
            return !observation.suspect && is_silence(observation);
        case Observation::Kind::suspected:
        case Observation::Kind::recovered:
            return false;
    }
    return false;
}

}  // namespace

void FailureDetector::note(const Observation& observation) {
    if (!is_sign(observation)) return;
    Sign sign{observation.at, observation.peer, observation.listener, is_silence(observation), false};
    sign.late = observation.kind == Observation::Kind::answered && observation.answered_after >= late_after &&
                !is_of_an_outage(sign);
    if (sign.late) learn_late(observation);
    if (signs_.size() >= max_signs) {
        silent_ -= signs_.front().silent ? 1 : 0;
        signs_.pop_front();
    }
    signs_.push_back(sign);
    silent_ += sign.silent ? 1 : 0;
}

/// Returns true if the peer was probed before an outage and answered after it. Such an answer says nothing about the
/// network's speed.
bool FailureDetector::is_of_an_outage(const Sign& sign) const {
    return std::any_of(rests_.begin(), rests_.end(), [&sign](const auto& each) {
        const auto& [group, rest] = each;
        return belongs(sign, group) && (rest.under_way || sign.at - rest.settled <= last_check_after);
    });
}

void FailureDetector::learn_late(const Observation& observation) {
    Tempo& tempo = tempo_[observation.listener];
    tempo.late += 1;
    tempo.slowest = std::max(tempo.slowest, observation.answered_after);
}

void FailureDetector::learn_tempo(const Sign& sign) {
    Tempo& tempo = tempo_[sign.listener];
    if (sign.silent) tempo.overdue += 1;
    if (!sign.silent && !sign.late) tempo.on_time += 1;
    tempo.fade();
}

bool FailureDetector::Tempo::silence_tells() const {
    return on_time >= min_on_time && overdue <= overdue_share * (on_time + overdue);
}

void FailureDetector::Tempo::fade() {
    if (on_time + late + overdue < tempo_memory) return;
    on_time /= 2;
    late /= 2;
    overdue /= 2;
    if (late < late_share * on_time) slowest = milliseconds(0);
}

void FailureDetector::forget_old(Time now) {
    std::erase_if(signs_, [this, now](const Sign& sign) {
        const bool old = now - sign.at > window;
        if (old) learn_tempo(sign);
        return old;
    });
    silent_ = static_cast<std::size_t>(
        std::count_if(signs_.begin(), signs_.end(), [](const Sign& sign) { return sign.silent; }));
    std::erase_if(
        rests_, [now](const auto& each) { return !each.second.under_way && now - each.second.until > longest_pause; });
}

FailureDetector::Group FailureDetector::group_of(const Sign& sign, unsigned rank) {
    const unsigned bits = sign.peer.is_v4() ? v4_bits[rank] : v6_bits[rank];
    return {.rank = rank, .listener = sign.listener, .prefix = {masked(sign.peer, bits), bits}};
}

FailureDetector::Group FailureDetector::group_of(const Suspect& suspect) {
    const Prefix prefix = suspect.peer.value_or(Prefix{});
    const auto& bits = prefix.address.is_v4() ? v4_bits : v6_bits;
    const auto rank = std::find(bits.begin(), bits.end(), prefix.bits) - bits.begin();
    return {.rank = static_cast<unsigned>(rank), .listener = suspect.listener, .prefix = prefix};
}

bool FailureDetector::belongs(const Sign& sign, const Group& group) {
    return sign.listener == group.listener && group.prefix.contains(sign.peer);
}

bool FailureDetector::covers(const Group& wide, const Group& narrow) {
    return wide.listener == narrow.listener && wide.prefix.bits <= narrow.prefix.bits &&
           wide.prefix.contains(narrow.prefix.address);
}

/// Counts only groups with silent connections, which are few: most observations are answers and merely looked up.
std::map<FailureDetector::Group, FailureDetector::Tally> FailureDetector::tally() const {
    std::map<Group, Tally> tallies;
    for (const Sign& sign : signs_) {
        if (!sign.silent || !tempo_[sign.listener].silence_tells()) continue;
        for (unsigned rank = 0; rank < ranks; ++rank) ++tallies[group_of(sign, rank)].silent;
    }
    std::erase_if(tallies, [](const auto& each) { return each.second.silent < min_signs; });
    if (tallies.empty()) return tallies;
    for (const Sign& sign : signs_) {
        for (unsigned rank = 0; rank < ranks; ++rank) {
            const auto found = tallies.find(group_of(sign, rank));
            if (found == tallies.end()) continue;
            Tally& tally = found->second;
            tally.answered += sign.silent ? 0 : 1;
            tally.breaks += sign.silent ? 0 : 1;
            tally.row += sign.silent ? 1 : 0;
            if (tally.breaks > 1) tally.row = tally.breaks = 0;
        }
    }
    return tallies;
}

/// Applies two criteria. A run of silences is the fast one, since answers from before a partition do not weaken it. If
/// four answers in a hundred are lost, eight silences with one answer among them occur by chance once in a thousand
/// hours.
bool FailureDetector::is_suspect(const Tally& tally) {
    const bool many = tally.silent + tally.answered >= 4 * min_signs;
    return tally.row >= min_signs || (many && tally.silent >= tally.answered);
}

bool FailureDetector::rests(const Group& group, Time now) const {
    return std::any_of(rests_.begin(), rests_.end(), [&group, now](const auto& each) {
        const auto& [other, rest] = each;
        if (rest.under_way) return covers(other, group);
        return now < rest.until && !(other < group) && !(group < other);
    });
}

/// Returns nullopt if the network is so slow that silence says little.
std::optional<milliseconds> FailureDetector::timeout_for(std::uint8_t listener) const {
    const Tempo& tempo = tempo_[listener];
    const bool slow = tempo.late >= min_signs && tempo.late > late_share * (tempo.on_time + tempo.late);
    const milliseconds timeout = slow ? std::max(usual_timeout, 2 * tempo.slowest) : usual_timeout;
    if (timeout > longest_timeout) return std::nullopt;
    return timeout;
}

Suspect FailureDetector::suspect_of(const Group& group, const Tally& tally, milliseconds timeout) {
    return {.listener = group.listener,
            .peer = group.rank == 0 ? std::nullopt : std::optional(group.prefix),
            .timeout = timeout,
            .silent = tally.silent,
            .answered = tally.answered};
}

std::vector<Suspect> FailureDetector::decide(Time now) {
    std::vector<Suspect> suspects = std::exchange(again_, {});
    for (const Suspect& suspect : suspects) rests_[group_of(suspect)].under_way = true;
    forget_old(now);
    while (silent_ >= min_signs) {
        const auto tallies = tally();
        const auto found = std::find_if(tallies.begin(), tallies.end(), [this, now](const auto& each) {
            return is_suspect(each.second) && !rests(each.first, now);
        });
        if (found == tallies.end()) break;
        const Group group = found->first;
        // Each observation counts once, for any result of the probe.
        std::erase_if(signs_, [&group](const Sign& sign) { return belongs(sign, group); });
        forget_old(now);
        const auto timeout = timeout_for(group.listener);
        if (!timeout) continue;
        rests_[group].under_way = true;
        suspects.push_back(suspect_of(group, found->second, *timeout));
    }
    return suspects;
}

void FailureDetector::settled(const Suspect& suspect, std::size_t asked, std::size_t silent, Time now) {
    const Group group = group_of(suspect);
    Rest& rest = rests_[group];
    rest.under_way = false;
    rest.settled = now;
    std::erase_if(signs_, [&group](const Sign& sign) { return belongs(sign, group); });  // observed since
    const bool for_nothing = 10 * silent < asked;
    if (!for_nothing && asked > silent) again_.push_back(suspect);
    rest.pause = for_nothing ? std::clamp(2 * rest.pause, first_pause, longest_pause) : milliseconds(0);
    rest.until = now + rest.pause;
}

}  // namespace holdfast
