#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/admin_reply.h"

namespace holdfast {

// These format the API's answers for the terminal. Each line ends in a line feed. Text from devices is made printable.
// Pure.

[[nodiscard]] std::string status_text(const AnswerView& status);
[[nodiscard]] std::string connection_text(const AnswerView& connection);
/// Returns the page of a device: its connection or its state, and its earlier connections.
[[nodiscard]] std::string device_text(const AnswerView& device);
/// Returns the exit code of a page: whether the device is online.
[[nodiscard]] int online_verdict(const AnswerView& device);
/// Returns the closed connections of a list as a table, with a line about those that are missing.
/// Returns a line for each bad item of the array `list`, in its order.
[[nodiscard]] std::string bad_items_text(const AnswerView& answer, std::string_view list);
[[nodiscard]] std::string lives_text(const AnswerView& answer, std::string_view list);
/// Column in which the contents of an alarm's lines begin.
constexpr std::size_t alarm_column = 14;
/// Returns one alarm as `holdfast alarms` prints it: several lines.
[[nodiscard]] std::string alarm_text(const AnswerView& alarm);
/// Returns the members of one alarm as a table behind alarm_text(); empty if it has none.
[[nodiscard]] std::string members_text(const AnswerView& alarm);
/// Returns "3,813 keepalive_expired, 287 peer_reset".
[[nodiscard]] std::string counts_text(const std::vector<std::pair<std::string, std::uint64_t>>& counts);
/// Returns the first list of an answer as a table, with a column for each member of a row. Without a list, the answer
/// is the only row. For endpoints without a text of their own.
[[nodiscard]] std::string rows_text(const AnswerView& answer);
[[nodiscard]] std::string probe_text(const AnswerView& answer);
[[nodiscard]] std::string probes_text(const AnswerView& summary);

/// Returns a sentence that explains the evidence of an open connection.
[[nodiscard]] std::string evidence_meaning(const AnswerView& connection);

}  // namespace holdfast
