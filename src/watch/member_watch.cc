#include "watch/member_watch.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace holdfast {
namespace {

/// The closed history has other ends of the same interval between the members.
constexpr std::size_t most_ends = 2 * AlarmMembers::max_of_alarm;

AlarmMember member_of(const ClosedLife& life) {
    return {life.conn, life.id, life.peer, life.key, life.at, life.reason};
}

}  // namespace

void MemberWatch::restore(std::map<std::uint64_t, std::vector<AlarmMember>> former, const AlarmBoard& board) {
    for (const Alarm& alarm : board.active) taken_[alarm.id] = figures_of(alarm);  // the state file has its members
    const std::lock_guard lock(mutex_);
    for (auto& [alarm, members] : former) members_.add(alarm, std::move(members));
}

AlarmHistory MemberWatch::history(AlarmBoard board, EventTime now) {
    AlarmHistory history{.saved_at = now, .board = std::move(board), .members = {}};
    const std::lock_guard lock(mutex_);
    for (const std::vector<Alarm>* alarms : {&history.board.active, &history.board.recent}) {
        for (const Alarm& alarm : *alarms) {
            auto members = members_.of(alarm.id);
            if (!members.empty()) history.members.emplace(alarm.id, std::move(members));
        }
    }
    return history;
}

std::vector<AlarmOfDevice> MemberWatch::of_device(const AlarmBoard& board, std::string_view id) {
    std::vector<AlarmOfDevice> found;
    const std::lock_guard lock(mutex_);
    for (const std::vector<Alarm>* alarms : {&board.active, &board.recent}) {
        for (const Alarm& alarm : *alarms) {
            if (const AlarmMember* const member = members_.find(alarm.id, id)) found.push_back({alarm, *member});
        }
    }
    return found;
}

void MemberWatch::take(const AlarmBoard& board, const std::vector<Alarm>& changed) {
    for (const Alarm& alarm : board.active) take(alarm);
    for (const Alarm& alarm : changed) {
        if (!alarm.cleared_at) continue;
        take(alarm);
        taken_.erase(alarm.id);
    }
    const std::lock_guard lock(mutex_);
    members_.keep_only(board);
}

void MemberWatch::take(const Alarm& alarm) {
    if (!has_members(alarm)) return;
    const Figures figures = figures_of(alarm);
    if (const auto former = taken_.find(alarm.id); former != taken_.end() && former->second == figures) return;
    std::vector<AlarmMember> members;
    if (alarm.silent) members = suspects(alarm);
    std::vector<AlarmMember> of_history = ended(alarm);
    members.insert(members.end(), std::make_move_iterator(of_history.begin()),
                   std::make_move_iterator(of_history.end()));
    {
        const std::lock_guard lock(mutex_);
        members_.add(alarm.id, std::move(members));
    }
    taken_[alarm.id] = figures;
}

std::vector<AlarmMember> MemberWatch::suspects(const Alarm& alarm) {
    std::vector<AlarmMember> members;
    const ConnectionPage page = server_.list(
        {.peer = {}, .key = {}, .listener = alarm.listener, .suspect = true, .limit = AlarmMembers::max_of_alarm});
    for (const ConnectionRow& row : page.rows) {
        members.push_back({row.conn, row.id, row.peer, row.key, row.suspect_since.value_or(alarm.raised_at), {}});
    }
    return members;
}

/// Returns the members in the closed history: the ends that the alarm counts, or former suspects.
std::vector<AlarmMember> MemberWatch::ended(const Alarm& alarm) {
    ClosedQuery query{.reason = {}, .peer = {}, .limit = most_ends, .listener = alarm.listener};
    if (alarm.interval) query.until = alarm.interval->to + AlarmInterval::error;
    query.since = alarm.interval ? alarm.interval->from - AlarmInterval::error : alarm.silent->since;
    std::vector<ClosedLife> lives = server_.closed(query);
    std::reverse(lives.begin(), lives.end());  // oldest first
    std::vector<AlarmMember> members;
    for (const ClosedLife& life : lives) {
        if (is_member(alarm, life) || has(alarm.id, life.conn)) members.push_back(member_of(life));
    }
    return members;
}

bool MemberWatch::has(std::uint64_t alarm, ConnectionId conn) {
    const std::lock_guard lock(mutex_);
    return members_.has(alarm, conn);
}

std::vector<CensusEntry> MemberWatch::census_of(const std::string& listener) {
    std::array<bool, 256> is_its{};  // by ListenerStatus::number
    for (const ListenerStatus& status : server_.status().listeners) is_its[status.number] = status.name == listener;
    std::vector<CensusEntry> entries = server_.census();
    std::erase_if(entries, [&is_its](const CensusEntry& entry) { return !is_its[entry.listener]; });
    return entries;
}

AlarmDetail MemberWatch::detail(const Alarm& alarm) {
    std::vector<AlarmMember> members;
    {
        const std::lock_guard lock(mutex_);
        members = members_.of(alarm.id);
    }
    AlarmDetail detail{.alarm = alarm, .total = has_members(alarm) ? alarm.count : 0};
    detail.members = states_of(std::move(members),
                               {.has_device = [this](const std::string& id) { return has_device(id); },
                                .census = [&] { return census_of(alarm.listener); },
                                .wall = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
                                .now = std::chrono::steady_clock::now()});
    for (const MemberState& state : detail.members) detail.back += state.back ? 1 : 0;
    detail.total = std::max(detail.total, detail.members.size());
    return detail;
}

}  // namespace holdfast
