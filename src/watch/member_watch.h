#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "alarm/alarm_members.h"

namespace holdfast {

/// Takes the members of alarms from a Server's closed history and registry. Owns them. take() is called on one thread,
/// detail() on any.
class MemberWatch {
public:
    /// Returns true if another gateway of the fleet has the device. May be empty.
    using OnlineElsewhere = std::function<bool(const std::string& id)>;
    MemberWatch(Server& server, OnlineElsewhere online_elsewhere)
        : server_(server), online_elsewhere_(std::move(online_elsewhere)) {}

    /// Takes over the members of an earlier process's alarms.
    void restore(std::map<std::uint64_t, std::vector<AlarmMember>> former, const AlarmBoard& board);
    /// Returns the board's alarms with their members.
    [[nodiscard]] AlarmHistory history(AlarmBoard board, EventTime now);
    /// Returns the alarms of the board that the device is a member of, the active ones first.
    [[nodiscard]] std::vector<AlarmOfDevice> of_device(const AlarmBoard& board, std::string_view id);
    /// Takes the members of the board's active alarms, and for the last time those of `changed`.
    void take(const AlarmBoard& board, const std::vector<Alarm>& changed);
    /// Returns the alarm with the state of its members now.
    [[nodiscard]] AlarmDetail detail(const Alarm& alarm);

private:
    /// The figures of an alarm whose change shows that it has other members.
    struct Figures {
        std::size_t count = 0;
        std::size_t suspects = 0;
        std::optional<AlarmInterval> interval;

        friend bool operator==(const Figures&, const Figures&) = default;
    };

    [[nodiscard]] static Figures figures_of(const Alarm& alarm) {
        return {alarm.count, alarm.silent ? alarm.silent->suspects : 0, alarm.interval};
    }
    void take(const Alarm& alarm);
    [[nodiscard]] std::vector<AlarmMember> ended(const Alarm& alarm);
    [[nodiscard]] std::vector<AlarmMember> suspects(const Alarm& alarm);
    [[nodiscard]] std::vector<CensusEntry> census_of(const std::string& listener);
    [[nodiscard]] bool has(std::uint64_t alarm, ConnectionId conn);

    [[nodiscard]] bool has_device(const std::string& id) const {
        return server_.find(id).has_value() || (online_elsewhere_ && online_elsewhere_(id));
    }

    Server& server_;
    const OnlineElsewhere online_elsewhere_;
    std::map<std::uint64_t, Figures> taken_;  // by the id of an active alarm
    std::mutex mutex_;
    AlarmMembers members_;  // guarded by mutex_
};

}  // namespace holdfast
