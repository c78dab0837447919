#include "alarm/alarm_members.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace holdfast {
namespace {

using Steady = std::chrono::steady_clock::time_point;

/// The connections of a listener, by endpoint and by address.
struct OpenPeers {
    std::map<Endpoint, bool> open;  // whether it is a suspect
    std::map<IpAddress, std::vector<EventTime>> opened;

    explicit OpenPeers(const PresentDevices& present) {
        for (const CensusEntry& entry : present.census()) {
            open[{entry.peer, entry.port}] = entry.suspect;
            if (!entry.suspect) opened[entry.peer].push_back(wall_of(present, entry.opened));
        }
        for (auto& [address, times] : opened) std::sort(times.begin(), times.end());
    }

    /// Returns the end of the tenth of a second, to which the census is exact.
    static EventTime wall_of(const PresentDevices& present, Steady at) {
        constexpr std::chrono::milliseconds tenth{100};
        return present.wall - std::chrono::floor<std::chrono::milliseconds>(present.now - at) + tenth;
    }
};

/// Returns true if the member is a suspect that is still connected and answers.
bool answers_again(const AlarmMember& member, const OpenPeers& peers) {
    const auto found = peers.open.find(member.peer);
    return !member.reason && found != peers.open.end() && !found->second;
}

bool is_open_suspect(const AlarmMember& member, const OpenPeers& peers) {
    const auto found = peers.open.find(member.peer);
    return !member.reason && found != peers.open.end() && found->second;
}

/// Marks one member as back for each newer connection from the address of `members`.
void mark_by_address(std::vector<MemberState*>& members, const std::vector<EventTime>& opened) {
    std::sort(members.begin(), members.end(),
              [](const MemberState* a, const MemberState* b) { return a->member.at < b->member.at; });
    auto next = members.begin();
    for (const EventTime& at : opened) {
        if (next == members.end()) return;
        if ((*next)->member.at <= at) (*next++)->back = true;
    }
}

}  // namespace

std::vector<MemberState> states_of(std::vector<AlarmMember> members, const PresentDevices& present) {
    std::vector<MemberState> states;
    states.reserve(members.size());
    for (AlarmMember& member : members) states.push_back({std::move(member), false});
    std::optional<OpenPeers> peers;
    std::map<IpAddress, std::vector<MemberState*>> by_address;
    for (MemberState& state : states) {
        const bool ended_with_id = state.member.reason && !state.member.id.empty();
        if (!ended_with_id && !peers) peers.emplace(present);
        if (!ended_with_id && is_open_suspect(state.member, *peers)) continue;
        if (!ended_with_id && answers_again(state.member, *peers)) {
            state.back = true;
        } else if (!state.member.id.empty()) {
            state.back = present.has_device(state.member.id);
        } else {
            by_address[state.member.peer.address].push_back(&state);
        }
    }
    for (auto& [address, of_address] : by_address) mark_by_address(of_address, peers->opened[address]);
    return states;
}

bool is_member(const Alarm& alarm, const ClosedLife& life) {
    if (!alarm.interval || life.listener != alarm.listener) return false;
    constexpr auto error = AlarmInterval::error;
    if (life.at < alarm.interval->from - error || life.at > alarm.interval->to + error) return false;
    if (alarm.peers != nullptr) {
        if (!std::binary_search(alarm.peers->begin(), alarm.peers->end(), life.peer)) return false;
    } else if (life.at - life.duration > alarm.interval->from - error) {
        return false;
    }
    const auto same = [&life](const ReasonShare& share) { return share.reason == life.reason; };
    return std::any_of(alarm.reasons.begin(), alarm.reasons.end(), same);
}

void AlarmMembers::add(std::uint64_t alarm, std::vector<AlarmMember> members) {
    Members& known = alarms_[alarm];
    for (AlarmMember& member : members) {
        const auto place = known.places.find(member.conn);
        if (place != known.places.end()) {
            AlarmMember& former = known.rows[place->second];
            if (!former.reason && member.reason) former = std::move(member);
            continue;
        }
        if (known.rows.size() == max_of_alarm) continue;
        known.places.emplace(member.conn, known.rows.size());
        known.rows.push_back(std::move(member));
        ++size_;
    }
    while (size_ > max_in_all) drop_oldest();
}

bool AlarmMembers::has(std::uint64_t alarm, ConnectionId conn) const {
    const auto found = alarms_.find(alarm);
    return found != alarms_.end() && found->second.places.contains(conn);
}

const AlarmMember* AlarmMembers::find(std::uint64_t alarm, std::string_view id) const {
    const auto found = alarms_.find(alarm);
    if (found == alarms_.end()) return nullptr;
    const std::vector<AlarmMember>& rows = found->second.rows;
    const auto last = std::find_if(rows.rbegin(), rows.rend(), [id](const AlarmMember& row) { return row.id == id; });
    return last == rows.rend() ? nullptr : &*last;
}

std::vector<AlarmMember> AlarmMembers::of(std::uint64_t alarm) const {
    const auto found = alarms_.find(alarm);
    return found == alarms_.end() ? std::vector<AlarmMember>() : found->second.rows;
}

void AlarmMembers::keep_only(const AlarmBoard& board) {
    const auto on_board = [&board](std::uint64_t id) {
        const auto is_it = [id](const Alarm& alarm) { return alarm.id == id; };
        return std::any_of(board.active.begin(), board.active.end(), is_it) ||
               std::any_of(board.recent.begin(), board.recent.end(), is_it);
    };
    for (auto alarm = alarms_.begin(); alarm != alarms_.end();) {
        if (on_board(alarm->first)) {
            ++alarm;
        } else {
            size_ -= alarm->second.rows.size();
            alarm = alarms_.erase(alarm);
        }
    }
}

void AlarmMembers::drop_oldest() {
    const auto oldest = alarms_.begin();
    size_ -= oldest->second.rows.size();
    alarms_.erase(oldest);
}

}  // namespace holdfast
