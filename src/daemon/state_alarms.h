#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include "alarm/alarm_members.h"
#include "text/token_lines.h"

namespace holdfast {

/// Appends the lines of the alarms to the body of a StateFile.
void write_alarms(TokenWriter& out, const AlarmHistory& alarms);

/// Reads these lines. Leaves out an alarm of a kind that it does not know, with its members. A value.
class AlarmLines {
public:
    /// Takes a line that begins with `word`. Ignores a line that is not its own.
    void take(std::string_view word, TokenReader& rest);
    [[nodiscard]] AlarmHistory history() && { return std::move(history_); }

private:
    void take_alarm(TokenReader& in);
    void take_reason(TokenReader& in);
    void take_prefix(TokenReader& in);
    void take_member(TokenReader& in);

    AlarmHistory history_;
    Alarm* alarm_ = nullptr;   // the latest, which the lines below it belong to; in history_
    std::size_t members_ = 0;  // of all alarms
};

}  // namespace holdfast
