#include "spool/reader.h"

#include <algorithm>
#include <cstring>

#include "base/plant.h"

namespace holdfast {

namespace {

/// Adds a row's events from `wanted` on. Whether all of them fitted.
bool add_events(SpoolPage& page, const SegmentReader::Row& row, Position& wanted, std::size_t most_events,
                std::size_t most_bytes, std::size_t& bytes) {
    std::string_view left = row->lines;
    auto run = row->listeners.begin();
    std::uint64_t in_run = 0;
    bool kept = false;
    for (Position position = row->first; !left.empty(); ++position, ++in_run) {
        const std::size_t end = left.find('\n');
        const std::string_view line = left.substr(0, end);
        left.remove_prefix(end + 1);
        for (; in_run == run->second; ++run) in_run = 0;
        if (position < wanted) continue;
        if (!page.events.empty() && (page.events.size() >= most_events || bytes + line.size() + 1 > most_bytes)) {
            return false;
        }
        if (!std::exchange(kept, true)) page.rows.push_back(row);
        page.events.push_back({position, run->first, line, row->at, row->epoch});
        bytes += line.size() + 1;
        page.next_after = position;
        wanted = position + 1;
    }
    return true;
}

}  // namespace

void SpoolReader::drop(Position segment) {
    open_.remove_if([segment](const Open& one) { return one.segment == segment; });
}

void SpoolReader::without(Position segment, const std::function<void()>& work) {
    const std::lock_guard lock(mutex_);
    drop(segment);
    work();
}

/// Null: error_ says why.
SegmentReader* SpoolReader::reader_of(Position segment) {
    for (auto one = open_.begin(); one != open_.end(); ++one) {
        if (one->segment != segment) continue;
        open_.splice(open_.begin(), open_, one);
        return &open_.front().reader;
    }
    auto reader = SegmentReader::open(directory_.segment_path(segment), error_);
    if (!reader) return nullptr;
    open_.push_front({segment, std::move(*reader)});
    if (open_.size() > most_open) open_.pop_back();
    return &open_.front().reader;
}

SegmentReader::Found SpoolReader::find(Position wanted, SegmentBook::Span span) {
    if (latest_ && latest_->first <= wanted && wanted <= latest_->last() && span.first <= latest_->first)
        return latest_;
    if (span.removed) return MissingRange{wanted, span.end - 1, std::string(file_was_removed)};
    SegmentReader* reader = reader_of(span.first);
    if (reader == nullptr) {
        if (error_.fault != DbFault::damaged) return error_;
        return MissingRange{wanted, span.end - 1, "SQLite says: " + error_.message};
    }
    auto found = reader->find(wanted, span.end);
    // What a connection remembers of a file with an I/O error may be wrong.
    if (std::holds_alternative<DbError>(found)) drop(span.first);
    if (const auto* row = std::get_if<SegmentReader::Row>(&found)) latest_ = *row;
    return found;
}

SpoolReader::Went SpoolReader::take_hole(SpoolPage& page, Position& wanted, MissingRange hole, bool damage) {
    if (!page.events.empty()) return Went::stop;  // it is the next page's
    if (damage) on_damage_(hole);
    wanted = hole.last + 1;
    page.next_after = hole.last;
    if (!page.missing.empty() && page.missing.back().why == hole.why && page.missing.back().last + 1 == hole.first) {
        page.missing.back().last = hole.last;
    } else {
        page.missing.push_back(std::move(hole));
    }
    return Went::on;
}

SpoolReader::Went SpoolReader::go_on(SpoolPage& page, Position& wanted, std::size_t most_events,
                                     std::size_t most_bytes) {
    const auto span = book_.span_of(wanted);
    if (!span) {
        const Position first = std::min(book_.first(), page.last + 1);
        if (first <= wanted) return Went::stop;
        return take_hole(page, wanted, {wanted, first - 1, "removed by retention"}, false);
    }
    auto found = find(wanted, {span->first, std::min(span->end, page.last + 1), span->removed});
    if (std::holds_alternative<DbError>(found)) {
        // Retention may have been faster: then its book says so now.
        if (const auto now = book_.span_of(wanted); !now || now->first != span->first) return Went::on;
        error_ = std::get<DbError>(found);
        return Went::failed;
    }
    if (auto* hole = std::get_if<MissingRange>(&found)) return take_hole(page, wanted, std::move(*hole), true);
    const auto& row = std::get<SegmentReader::Row>(found);
    if (planted("drop_partial") && page.events.empty() && wanted > row->first) {
        wanted = (page.next_after = row->last()) + 1;
        return Went::on;
    }
    return add_events(page, row, wanted, most_events, most_bytes, bytes_) ? Went::on : Went::stop;
}

Result<SpoolPage> SpoolReader::read(Position after, std::size_t most_events, std::size_t most_bytes) {
    const std::lock_guard lock(mutex_);
    SpoolPage page;
    page.last = book_.last();
    page.next_after = after;
    bytes_ = 0;
    Position wanted = after + 1;
    for (int rows = 0; wanted <= page.last && rows < most_rows_looked_at; ++rows) {
        if (!page.events.empty() && (page.events.size() >= most_events || bytes_ >= most_bytes)) break;
        const Went went = go_on(page, wanted, most_events, most_bytes);
        if (went == Went::stop) break;
        if (went == Went::failed && page.events.empty() && page.missing.empty()) {
            return Error{"cannot read the spool in " + directory_.path() + " behind position " + std::to_string(after) +
                         ": " + error_.message + "; see the kernel's log for the disk"};
        }
        if (went == Went::failed) break;
    }
    return page;
}

}  // namespace holdfast
