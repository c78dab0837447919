#include "spool/survey.h"

#include <algorithm>
#include <thread>

#include "spool/segment_file.h"

namespace holdfast {

namespace {

/// Positions are never reused. If the newest rows are damaged after a crash, the number of positions used since the
/// last save, one or two seconds earlier, is unknown. This distance exceeds that number.
constexpr Position safe_distance = Position{1} << 20;

}  // namespace

std::optional<DbError> Survey::inspect_once(Position first, Facts& facts) const {
    facts = {};
    const std::string path = parts_.directory.segment_path(first);
    DbError error;
    auto reader = SegmentReader::open(path, error);
    if (!reader) {
        if (error.fault != DbFault::damaged) return error;
        if (!is_unmade_segment(path)) facts.tail = {.last = first, .certain = false, .whole = false};
        return std::nullopt;
    }
    if (auto failed = reader->tail(first, facts.tail)) return failed;
    facts.oldest = reader->oldest();
    return std::nullopt;
}

/// Reads again, over fresh connections, if content looks damaged or shorter than before. The finding counts if
/// consecutive reads agree: a failed read between them restarts the count.
std::optional<DbError> Survey::inspect(Position first, bool newest, Facts& facts) const {
    for (RepeatedReads reads;;) {
        const auto failed = inspect_once(first, facts);
        const bool shorter = newest && facts.tail.last < parts_.manifest.complete() && facts.tail.last > 0;
        if (!failed && facts.tail.whole && !shorter) return std::nullopt;
        const auto pause = failed ? reads.after_failure() : reads.after_damage();
        if (!pause) return failed;
        std::this_thread::sleep_for(*pause);
    }
}

/// Reads the newest file. After an orderly stop, spool.db has the newest position even if this file cannot be read.
std::optional<DbError> Survey::inspect_newest(Position first, Facts& facts) const {
    if (!parts_.manifest.was_closed()) return parts_.retries.run([&] { return inspect(first, true, facts); });
    if (!inspect(first, true, facts)) return std::nullopt;
    const Position last = parts_.manifest.complete();
    facts = {.tail = {.last = last < first ? 0 : last}, .oldest = {}};
    return std::nullopt;
}

void Survey::enter(Position first, std::optional<Position> next, const Facts& facts) {
    const std::string path = parts_.directory.segment_path(first);
    // After the read: sealing discards what cannot be read of a log.
    const bool sealed = !SpoolDirectory::has_log(path) || !seal_segment(path);
    const WallTime newest = facts.tail.at;  // if unknown, SegmentIndex::bound_times() makes it the time of this start
    const Position last = next ? *next - 1 : facts.tail.last;
    parts_.book.add({.first = first,
                     .last = last,
                     .oldest = facts.oldest.value_or(newest),
                     .newest = newest,
                     .current = false,
                     .sealed = sealed},
                    last);
}

std::optional<DbError> Survey::run(const std::vector<Position>& segments) {
    Position last = parts_.manifest.used();
    bool certain = true;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool newest = i + 1 == segments.size();
        Facts facts;
        if (newest) {
            if (auto failed = inspect_newest(segments[i], facts)) return failed;
            certain = facts.tail.certain;
        } else if (inspect(segments[i], false, facts)) {
            facts = {.tail = {.last = segments[i]}, .oldest = {}};  // a later attempt reads it
        }
        if (facts.tail.last == 0) continue;  // the file was begun, but nothing was written to it
        enter(segments[i], newest ? std::nullopt : std::optional(segments[i + 1]), facts);
    }
    last = std::max(last, parts_.book.last());
    if (!certain && parts_.manifest.was_closed()) last = std::max(parts_.manifest.used(), parts_.book.first());
    if (!certain && !parts_.manifest.was_closed()) last += safe_distance;
    parts_.book.add({}, last);
    return std::nullopt;
}

}  // namespace holdfast
