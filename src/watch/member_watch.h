#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/server.h>

#include "alarm/alarm_members.h"

namespace holdfast {

/// Takes the members of alarms from a Server's closed history and registry. Owns them. take() is called on one thread,
/// detail() on any.
class MemberWatch {
public:
    explicit MemberWatch(Server& server) : server_(server) {}

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

    void take(const Alarm& alarm);
    [[nodiscard]] std::vector<AlarmMember> ended(const Alarm& alarm);
    [[nodiscard]] std::vector<AlarmMember> suspects(const Alarm& alarm);
    [[nodiscard]] std::vector<CensusEntry> census_of(const std::string& listener);
    [[nodiscard]] bool has(std::uint64_t alarm, ConnectionId conn);

    Server& server_;
    std::map<std::uint64_t, Figures> taken_;  // by the id of an active alarm
    std::mutex mutex_;
    AlarmMembers members_;  // guarded by mutex_
};

}  // namespace holdfast
