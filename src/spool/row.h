#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "spool/position.h"
#include "spool/spool.h"

namespace holdfast {

using ListenerRuns = std::vector<std::pair<std::string, std::uint64_t>>;

/// One row of the table `batch`, its columns as they are stored.
struct StoredRow {
    Position first = 0;
    std::uint64_t events = 0;
    std::int64_t at_ms = 0;
    std::string_view listeners;
    std::string_view sessions;
    std::string_view lines;
};

/// Over all of them, lengths included, so that no byte can move from one column to the next unseen. Pure.
[[nodiscard]] std::uint32_t checksum(const StoredRow& row);
/// Of any texts and numbers. Pure.
[[nodiscard]] std::uint32_t checksum(std::initializer_list<std::string_view> texts,
                                     std::initializer_list<std::uint64_t> numbers);

// The columns that hold JSON. What they read is what they write; anything else is nothing. Pure.
[[nodiscard]] std::string listeners_text(const ListenerRuns& runs);  ///< [["devices",200],["meters",56]]
[[nodiscard]] std::optional<ListenerRuns> parse_listeners(std::string_view text);
[[nodiscard]] std::string sessions_text(const std::vector<SessionMark>& marks);  ///< [["device-17","boot-42",5,true]]
/// A mark without the last field is of a version that did not keep the two kinds of sessions apart: it counts for both.
[[nodiscard]] std::optional<std::vector<SessionMark>> parse_sessions(std::string_view text);

/// A row whose checksum was right.
struct GoodRow {
    Position first = 0;
    std::uint64_t events = 0;
    WallTime at;
    ListenerRuns listeners;
    std::string sessions;
    std::string lines;
    std::uint64_t epoch = 0;  ///< of its file

    [[nodiscard]] Position last() const { return first + events - 1; }
};

/// The row, or why it is none.
[[nodiscard]] std::optional<GoodRow> verify(const StoredRow& row, std::uint32_t stored_checksum, std::string& why);

/// How many events a row had whose checksum is wrong: what it says, unless that is the very thing that is damaged.
[[nodiscard]] std::uint64_t likely_events(const StoredRow& row, std::uint32_t stored_checksum);

}  // namespace holdfast
