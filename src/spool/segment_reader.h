#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "spool/database.h"
#include "spool/row.h"
#include "spool/spool.h"

namespace holdfast {

/// Reads one file of events in any state: reports damaged rows as a hole and finds the rows after it. Owns its
/// connection. Each call is a short transaction. One thread at a time.
class SegmentReader {
public:
    [[nodiscard]] static std::optional<SegmentReader> open(const std::string& path, DbError& error);

    using Row = std::shared_ptr<const GoodRow>;
    using Found = std::variant<Row, MissingRange, DbError>;
    /// Returns the row that holds `wanted`, or the hole from `wanted` to the next good row, limited by `end`. Returns
    /// an error if the file cannot be read now.
    [[nodiscard]] Found find(Position wanted, Position end);

    /// The newest row, good or damaged.
    struct Tail {
        Position last = 0;              ///< 0 if there is no row
        WallTime at = WallTime::max();  ///< max() if unknown
        bool certain = true;            ///< false if damage hides whether more rows follow
        bool whole = true;              ///< false if it is damaged
    };
    /// Reads the newest row. Fails if the file cannot be read now, which says nothing about its content.
    [[nodiscard]] std::optional<DbError> tail(Position first, Tail& tail);
    [[nodiscard]] std::optional<WallTime> oldest();

private:
    struct Head {
        Position first = 0;
        std::uint64_t events = 0;
        std::int64_t at_ms = 0;
    };
    enum class Sample : std::uint8_t { row, nothing, damaged, failed };

    SegmentReader() = default;
    [[nodiscard]] bool read_epoch(DbError& error);
    /// Sets head_, or why_ or error_.
    [[nodiscard]] Sample fetch(Statement& statement, Position position);
    /// Returns the content of a row, or nullptr if it is damaged (sets why_) or cannot be read.
    [[nodiscard]] Row load(Position first);
    [[nodiscard]] Row load_before(Position end);
    [[nodiscard]] Sample note_failure(Statement& statement);
    [[nodiscard]] Sample next_good(Position from, Position end, Row& row);
    /// Returns fetch(at_or_behind_, from), but treats a row outside the range as damage.
    [[nodiscard]] Sample fetch_behind(Position from, Position end);
    [[nodiscard]] Position first_readable(Position unreadable, Position readable, Position end);
    [[nodiscard]] std::uint64_t likely_events_at(Position key, Position begins);
    [[nodiscard]] Found find_one(Position wanted, Position end);

    Database database_;
    Statement at_or_before_;
    Statement at_or_behind_;
    Statement content_;
    std::uint64_t epoch_ = 0;
    Head head_;
    std::string why_;
    DbError error_;
    bool failed_ = false;  // a read of this call failed without damage: its findings are not reliable
};

/// Returns the result of SegmentReader::find(); opens `reader` if it is empty. Repeats the read over fresh connections,
/// with pauses, before it returns a hole or an error. Leaves `reader` empty after an error.
[[nodiscard]] SegmentReader::Found find_patiently(const std::string& path, std::optional<SegmentReader>& reader,
                                                  Position wanted, Position end);

}  // namespace holdfast
