#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "spool/database.h"
#include "spool/row.h"
#include "spool/spool.h"

namespace holdfast {

/// Reads one file of events, whatever state it is in: what is damaged becomes a hole, what is behind it is found. Each
/// call is a short transaction. One thread at a time; owns its connection.
class SegmentReader {
public:
    [[nodiscard]] static std::optional<SegmentReader> open(const std::string& path, DbError& error);

    using Row = std::shared_ptr<const GoodRow>;
    using Found = std::variant<Row, MissingRange, DbError>;
    /// The row that holds `wanted`, or the hole from there to the next good row, which is at most up to `end`; an error
    /// if it cannot be told now.
    [[nodiscard]] Found find(Position wanted, Position end);

    /// The newest row, good or not.
    struct Tail {
        Position last = 0;              ///< 0: there is no row
        WallTime at = WallTime::max();  ///< max(): not known
        bool certain = true;            ///< false: it is damaged in a way that hides whether there are more
        bool whole = true;              ///< false: it is damaged
    };
    /// Fails if the file cannot be read now, which says nothing about what is in it.
    [[nodiscard]] std::optional<DbError> tail(Position first, Tail& tail);
    [[nodiscard]] std::optional<WallTime> oldest();

private:
    struct Head {
        Position first = 0;
        std::uint64_t events = 0;
        std::int64_t at_ms = 0;
    };
    enum class Look : std::uint8_t { row, nothing, damaged, failed };

    SegmentReader() = default;
    [[nodiscard]] bool read_epoch(DbError& error);
    /// Fills head_, or why_ or error_.
    [[nodiscard]] Look look(Statement& statement, Position position);
    /// The content of a row; null: damaged, why_ says how, or failed.
    [[nodiscard]] Row load(Position first);
    [[nodiscard]] Look note_failure(Statement& statement);
    [[nodiscard]] Look next_good(Position from, Position end, Row& row);
    /// As look(at_or_behind_, from), but a row that cannot be there is damage.
    [[nodiscard]] Look look_behind(Position from, Position end);
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
    bool failed_ = false;  // in this call, and not by damage: what it has found is not to be believed
};

/// Finds as SegmentReader::find() does, opening `reader` if it is empty. A hole or an error is looked at again over
/// fresh connections, with pauses, before it is returned. Leaves `reader` empty after an error.
[[nodiscard]] SegmentReader::Found find_patiently(const std::string& path, std::optional<SegmentReader>& reader,
                                                  Position wanted, Position end);

}  // namespace holdfast
