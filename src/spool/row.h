#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

using ListenerRuns = std::vector<std::pair<std::string, std::uint64_t>>;

/// Columns of one row of the table `batch`, as stored.
struct StoredRow {
    Position first = 0;
    std::uint64_t events = 0;
    std::int64_t at_ms = 0;
    std::string_view listeners;
    std::string_view sessions;
    std::string_view lines;
};

/// Returns the checksum of all columns and their lengths, so that a byte that moves to another column is detected.
/// Pure.
[[nodiscard]] std::uint32_t checksum(const StoredRow& row);
/// Returns the checksum of any texts and numbers. Pure.
[[nodiscard]] std::uint32_t checksum(std::initializer_list<std::string_view> texts,
                                     std::initializer_list<std::uint64_t> numbers);

// Convert the columns that hold JSON. The parsers accept the writers' output and reject any other text. Pure.
[[nodiscard]] std::string listeners_text(const ListenerRuns& runs);  ///< [["devices",200],["meters",56]]
[[nodiscard]] std::optional<ListenerRuns> parse_listeners(std::string_view text);
[[nodiscard]] std::string sessions_text(const std::vector<Watermark>& marks);  ///< [["device-17","boot-42",5,true]]
/// Returns nullopt if the text is damaged. A mark without the last field is from a version that did not separate the
/// two kinds of sessions, and counts for both.
[[nodiscard]] std::optional<std::vector<Watermark>> parse_sessions(std::string_view text);

/// A row whose checksum is correct.
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

/// Returns the row, or nullopt if it is damaged, and sets `why`.
[[nodiscard]] std::optional<GoodRow> verify(const StoredRow& row, std::uint32_t stored_checksum, std::string& why);

/// Returns the likely number of events of a row with a wrong checksum: the stored number, unless that number itself is
/// the damaged part.
[[nodiscard]] std::uint64_t likely_events(const StoredRow& row, std::uint32_t stored_checksum);

}  // namespace holdfast
