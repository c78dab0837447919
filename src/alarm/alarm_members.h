#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>
#include <holdfast/watch.h>

#include "alarm/alarm.h"

namespace holdfast {

/// A connection that an alarm is about, in its state when the alarm took it.
struct AlarmMember {
    ConnectionId conn;
    std::string id;  ///< of the device; empty if unidentified
    Endpoint peer;
    std::string key;                    ///< of its latest item; empty before the first
    EventTime at;                       ///< when it ended, or when it became suspect
    std::optional<CloseReason> reason;  ///< nullopt: it was open and suspect

    friend bool operator==(const AlarmMember&, const AlarmMember&) = default;
};

/// Returns true if the alarm is about single connections, which are its members.
[[nodiscard]] inline bool has_members(const Alarm& alarm) { return alarm.interval || alarm.silent; }

/// Returns true if the end is one of those that the alarm counts: by listener, interval, reason and peer.
[[nodiscard]] bool is_member(const Alarm& alarm, const ClosedLife& life);

/// A member and whether its device is connected now.
struct MemberState {
    AlarmMember member;
    bool back = false;
};

/// An alarm with the state of its members.
struct AlarmDetail {
    Alarm alarm;
    std::size_t total = 0;             ///< connections that the alarm is about; may exceed `members`
    std::size_t back = 0;              ///< of `members`
    std::vector<MemberState> members;  ///< at most AlarmMembers::max_of_alarm
};

/// An alarm that a device is a member of, with its latest membership.
struct AlarmOfDevice {
    Alarm alarm;
    AlarmMember member;
};

/// Alarms with their members, to be restored by a later process.
struct AlarmHistory {
    EventTime saved_at;
    AlarmBoard board;
    std::map<std::uint64_t, std::vector<AlarmMember>> members;  ///< by the alarm's id; only of alarms that have some
};

/// The connections of the alarm's listener now.
struct PresentDevices {
    std::function<bool(const std::string& id)> has_device;
    std::function<std::vector<CensusEntry>()> census;  ///< of one listener; called if a member needs it
    EventTime wall;                                    ///< the moment of `now`
    std::chrono::steady_clock::time_point now;
};

/// Returns the members with whether each is back: a suspect answers, or the id of its device is connected. Without an
/// id, each newer connection from an address stands for one member there.
[[nodiscard]] std::vector<MemberState> states_of(std::vector<AlarmMember> members, const PresentDevices& present);

/// Stores the members of the alarms on a board: at most 10,000 of an alarm, and 50,000 in all, about 10 MB. The oldest
/// alarms lose theirs first. A value; one thread at a time.
class AlarmMembers {
public:
    static constexpr std::size_t max_of_alarm = 10'000;
    static constexpr std::size_t max_in_all = 50'000;

    /// Adds members that the alarm lacks. A known connection that has ended since gets its end and reason.
    void add(std::uint64_t alarm, std::vector<AlarmMember> members);
    /// Returns true if the alarm has this connection.
    [[nodiscard]] bool has(std::uint64_t alarm, ConnectionId conn) const;
    /// Returns the latest member with this id of the alarm, or nullptr.
    [[nodiscard]] const AlarmMember* find(std::uint64_t alarm, std::string_view id) const;
    /// Returns the alarm's members, in the order of add().
    [[nodiscard]] std::vector<AlarmMember> of(std::uint64_t alarm) const;
    /// Drops the members of alarms that the board no longer has.
    void keep_only(const AlarmBoard& board);

private:
    struct Members {
        std::vector<AlarmMember> rows;
        std::map<ConnectionId, std::size_t> places;  // in rows
    };

    void drop_oldest();

    std::map<std::uint64_t, Members> alarms_;  // by id
    std::size_t size_ = 0;                     // of all
};

}  // namespace holdfast
