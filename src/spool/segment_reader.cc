#include "spool/segment_reader.h"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include "spool/start_retries.h"

namespace holdfast {

namespace {

/// A damaged page can hide any number of positions, so the search crosses them in steps.
constexpr Position longest_step = Position{1} << 16;
constexpr int max_strays = 4'096;  // bounds the time of the search

/// Crosses positions from which the tree cannot be read, in growing steps.
struct Crossing {
    Position damaged_at = 0;  ///< newest such position; 0: none
    Position step = 1;

    [[nodiscard]] Position next(Position from) {
        damaged_at = from;
        return from + std::exchange(step, std::min(step * 2, longest_step));
    }
};

}  // namespace

std::optional<SegmentReader> SegmentReader::open(const std::string& path, DbError& error) {
    auto database = Database::open(path, Database::Use::read, error);
    if (!database) return std::nullopt;
    SegmentReader reader;
    reader.database_ = std::move(*database);
    reader.database_.set_busy_timeout_ms(2000);
    // The error is that of the latest call: a damaged schema may fail only the first statement.
    const auto prepare = [&](Statement& statement, const char* sql) {
        statement = reader.database_.prepare(sql);
        if (!statement.valid()) error = reader.database_.error();
        return statement.valid();
    };
    const bool good =
        prepare(reader.at_or_before_,
                "SELECT position, events, at FROM batch WHERE position <= ?1 ORDER BY position DESC LIMIT 1") &&
        prepare(reader.at_or_behind_,
                "SELECT position, events, at FROM batch WHERE position >= ?1 ORDER BY position LIMIT 1") &&
        prepare(reader.content_,
                "SELECT position, events, at, listeners, sessions, crc, lines FROM batch WHERE position = ?1");
    if (!good || !reader.read_epoch(error)) return std::nullopt;
    return reader;
}

/// Returns false if the epoch cannot be read now. Files of earlier versions, and damaged tables, have none.
bool SegmentReader::read_epoch(DbError& error) {
    Statement about = database_.prepare("SELECT value FROM about WHERE key = 'epoch'");
    const Statement::Step step = about.valid() ? about.step() : Statement::Step::failed;
    if (step == Statement::Step::failed) {
        error = database_.error();
        return !may_pass(error);
    }
    if (step == Statement::Step::done) return true;
    const std::string_view text = about.text(0);
    static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), epoch_, 16));
    return true;
}

SegmentReader::Sample SegmentReader::note_failure(Statement& statement) {
    const DbError error = database_.error();
    statement.reset();
    why_ = "SQLite: " + error.message;
    if (error.fault == DbFault::damaged) return Sample::damaged;
    failed_ = true;
    error_ = error;
    return Sample::failed;
}

SegmentReader::Sample SegmentReader::fetch(Statement& statement, Position position) {
    statement.bind(1, position);
    const Statement::Step step = statement.step();
    if (step == Statement::Step::failed) return note_failure(statement);
    if (step == Statement::Step::row) {
        head_ = {static_cast<Position>(statement.number(0)), static_cast<std::uint64_t>(statement.number(1)),
                 statement.number(2)};
    }
    statement.reset();
    return step == Statement::Step::row ? Sample::row : Sample::nothing;
}

SegmentReader::Row SegmentReader::load(Position first) {
    content_.bind(1, first);
    const Statement::Step step = content_.step();
    if (step == Statement::Step::failed) {
        static_cast<void>(note_failure(content_));
        return nullptr;
    }
    if (step == Statement::Step::done) {
        content_.reset();
        why_ = "the page has a wrong link";
        return nullptr;
    }
    const StoredRow row{static_cast<Position>(content_.number(0)),
                        static_cast<std::uint64_t>(content_.number(1)),
                        content_.number(2),
                        content_.text(3),
                        content_.text(4),
                        content_.text(6)};
    if (content_.lost_text()) {
        static_cast<void>(note_failure(content_));
        return nullptr;
    }
    auto good = verify(row, static_cast<std::uint32_t>(content_.number(5)), why_);
    content_.reset();
    if (!good) return nullptr;
    good->epoch = epoch_;
    return std::make_shared<const GoodRow>(std::move(*good));
}

SegmentReader::Found SegmentReader::find(Position wanted, Position end) {
    failed_ = false;
    Found found = find_one(wanted, end);
    // A disk error anywhere in the search makes both damage and the end uncertain.
    if (failed_ && !std::holds_alternative<Row>(found)) return error_;
    return found;
}

SegmentReader::Found SegmentReader::find_one(Position wanted, Position end) {
    why_.clear();
    std::string why;
    const Sample before = fetch(at_or_before_, wanted);
    if (before == Sample::failed) return error_;
    if (before == Sample::damaged) why = why_;
    if (before == Sample::row) {
        Row row = load(head_.first);
        if (failed_) return error_;
        if (row && row->last() >= wanted) return row;
        // A good row that ends before `wanted`, or a damaged one that may include it: the hole begins here in either
        // case.
        if (!row) why = why_;
    }
    Row row;
    const Sample behind = next_good(wanted, end, row);
    if (behind == Sample::failed) return error_;
    if (row && row->first == wanted) return row;
    if (why.empty()) why = why_;
    if (why.empty()) why = "no row has these events";
    return MissingRange{wanted, row ? row->first - 1 : end - 1, why};
}

SegmentReader::Sample SegmentReader::fetch_behind(Position from, Position end) {
    const Sample found = fetch(at_or_behind_, from);
    if (found != Sample::row || (head_.first >= from && head_.first < end)) return found;
    why_ = "a position outside of the file";
    return Sample::damaged;
}

/// Returns the row of head_ if it is good and ends before `end`, else nullptr with the cause in why_ or failed_.
SegmentReader::Row SegmentReader::load_before(Position end) {
    Row row = load(head_.first);
    return row && row->last() < end ? row : nullptr;
}

/// Reads the first good row at or after `from` and before `end`. Leaves `row` empty if there is none.
SegmentReader::Sample SegmentReader::next_good(Position from, Position end, Row& row) {
    Crossing crossing;
    int strays = 0;  // steps of one position before a bad row
    std::string why;
    while (from < end) {
        const Sample found = fetch_behind(from, end);
        if (found == Sample::failed) return found;
        if (found == Sample::nothing) break;
        if (found == Sample::damaged) {
            if (why.empty()) why = why_;
            from = crossing.next(from);
            continue;
        }
        if (crossing.damaged_at != 0) {
            from = first_readable(crossing.damaged_at, from, end);
            if (failed_) return Sample::failed;
            crossing = {};
            continue;
        }
        const Position first = head_.first;
        row = load_before(end);
        if (failed_) return Sample::failed;
        if (row) break;
        if (why.empty()) why = why_;
        // The key of a bad row may itself be damaged: good rows may precede it.
        from = first > from && strays++ < max_strays ? from + 1 : first + 1;
    }
    why_ = why;
    return Sample::row;
}

/// Returns the first position between `unreadable` and `readable` from which the tree can be read.
Position SegmentReader::first_readable(Position unreadable, Position readable, Position end) {
    while (readable - unreadable > 1 && !failed_) {
        const Position middle = unreadable + (readable - unreadable) / 2;
        (fetch_behind(middle, end) == Sample::row ? readable : unreadable) = middle;
    }
    return readable;
}

std::optional<DbError> SegmentReader::tail(Position first, Tail& tail) {
    constexpr Position beyond = ~Position{0} >> 1;
    tail = {};
    failed_ = false;
    const Sample newest = fetch(at_or_before_, beyond);
    if (newest == Sample::failed) return error_;
    if (newest == Sample::nothing) return std::nullopt;
    tail.last = first;
    tail.certain = tail.whole = newest == Sample::row;
    if (!tail.certain) return std::nullopt;
    const Head head = head_;
    if (const Row row = load(head.first)) {
        tail.at = row->at;
        tail.last = row->last();
        return std::nullopt;
    }
    tail.whole = false;
    // The row is damaged, possibly its own numbers. The row before it determines its first position.
    Position begins = first;
    if (head.first > first && fetch(at_or_before_, head.first - 1) == Sample::row) {
        const Row before = load(head_.first);
        begins = before ? before->last() + 1 : head.first;
    }
    tail.last = begins + std::max<std::uint64_t>(likely_events_at(head.first, begins), 1) - 1;
    return failed_ ? std::optional(error_) : std::nullopt;
}

/// Returns the likely number of events of a damaged row, if all its other columns are sound or `begins` is its
/// position.
std::uint64_t SegmentReader::likely_events_at(Position key, Position begins) {
    content_.bind(1, key);
    std::uint64_t events = head_.events;
    const Statement::Step step = content_.step();
    if (step == Statement::Step::failed) static_cast<void>(note_failure(content_));
    if (step == Statement::Step::row) {
        const StoredRow row{begins,
                            static_cast<std::uint64_t>(content_.number(1)),
                            content_.number(2),
                            content_.text(3),
                            content_.text(4),
                            content_.text(6)};
        events = likely_events(row, static_cast<std::uint32_t>(content_.number(5)));
    }
    content_.reset();
    constexpr std::uint64_t max = std::uint64_t{1} << 32;
    return events < max ? events : 1;
}

std::optional<WallTime> SegmentReader::oldest() {
    if (fetch(at_or_behind_, 0) != Sample::row) return std::nullopt;
    return WallTime{std::chrono::milliseconds(head_.at_ms)};
}

SegmentReader::Found find_patiently(const std::string& path, std::optional<SegmentReader>& reader, Position wanted,
                                    Position end) {
    const auto find = [&]() -> SegmentReader::Found {
        DbError error;
        if (!reader) reader = SegmentReader::open(path, error);
        if (reader) return reader->find(wanted, end);
        if (error.fault != DbFault::damaged) return error;
        return MissingRange{wanted, end - 1, "SQLite: " + error.message};
    };
    for (RepeatedReads reads;;) {
        SegmentReader::Found found = find();
        if (std::holds_alternative<SegmentReader::Row>(found)) return found;
        const bool failed = std::holds_alternative<DbError>(found);
        const auto pause = failed ? reads.after_failure() : reads.after_damage();
        if (pause || failed) reader.reset();
        if (!pause) return found;
        std::this_thread::sleep_for(*pause);
    }
}

}  // namespace holdfast
