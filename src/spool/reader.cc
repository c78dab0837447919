#include "spool/reader.h"

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/plant.h"
#include "spool/start_retries.h"

namespace holdfast {

namespace {

/// Adds a row's events from `wanted` on. Returns whether all of them fitted.
bool add_events(SpoolPage& page, const SegmentReader::Row& row, Position& wanted, std::size_t max_events,
                std::size_t max_bytes, std::size_t& bytes) {
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
        if (!page.events.empty() && (page.events.size() >= max_events || bytes + line.size() + 1 > max_bytes)) {
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

/// Returns nullptr on failure and sets error_.
SegmentReader* SpoolReader::reader_of(Position segment) {
    for (auto one = open_.begin(); one != open_.end(); ++one) {
        if (one->segment != segment) continue;
        open_.splice(open_.begin(), open_, one);
        return &open_.front().reader;
    }
    auto reader = SegmentReader::open(directory_.segment_path(segment), error_);
    if (!reader) return nullptr;
    open_.push_front({segment, std::move(*reader)});
    if (open_.size() > max_open) open_.pop_back();
    return &open_.front().reader;
}

SegmentReader::Found SpoolReader::find(Position wanted, SegmentIndex::Span span) {
    if (latest_ && latest_->first <= wanted && wanted <= latest_->last() && span.first <= latest_->first)
        return latest_;
    if (span.removed) return MissingRange{wanted, span.end - 1, std::string(file_was_removed)};
    SegmentReader* reader = reader_of(span.first);
    if (reader == nullptr) {
        if (error_.fault != DbFault::damaged) return error_;
        return MissingRange{wanted, span.end - 1, "SQLite: " + error_.message};
    }
    auto found = reader->find(wanted, span.end);
    // The page cache of a connection that met an I/O error may be wrong.
    if (std::holds_alternative<DbError>(found)) drop(span.first);
    if (const auto* row = std::get_if<SegmentReader::Row>(&found)) latest_ = *row;
    return found;
}

SpoolReader::Went SpoolReader::take_damage(SpoolPage& page, Position& wanted, MissingRange hole, Position segment) {
    if (!page.events.empty()) return Went::stop;  // it belongs to the next page
    if (!reports_.is_damaged(hole.first)) {
        if (damage_counts_ && !page.missing.empty()) return Went::stop;  // the counted reads were at the hole before it
        if (!damage_counts_) {
            drop(segment);  // the page cache of its connection may be wrong
            is_doubtful_ = true;
            return Went::doubtful;
        }
    }
    reports_.damaged(hole);
    end_trouble(segment, hole.first, hole.last);
    return take_hole(page, wanted, std::move(hole));
}

SpoolReader::Went SpoolReader::take_hole(SpoolPage& page, Position& wanted, MissingRange hole) {
    if (!page.events.empty()) return Went::stop;
    wanted = hole.last + 1;
    page.next_after = hole.last;
    if (!page.missing.empty() && page.missing.back().why == hole.why && page.missing.back().last + 1 == hole.first) {
        page.missing.back().last = hole.last;
    } else {
        page.missing.push_back(std::move(hole));
    }
    return Went::on;
}

SpoolReader::Went SpoolReader::go_on(SpoolPage& page, Position& wanted, std::size_t max_events, std::size_t max_bytes) {
    const auto span = book_.span_of(wanted);
    if (!span) {
        const Position first = std::min(book_.first(), page.last + 1);
        if (first <= wanted) return Went::stop;
        return take_hole(page, wanted, {wanted, first - 1, "removed by retention"});
    }
    auto found = find(wanted, {span->first, std::min(span->end, page.last + 1), span->removed});
    if (std::holds_alternative<DbError>(found)) {
        // Retention may have removed the file since; the list of files then shows it.
        if (const auto now = book_.span_of(wanted); !now || now->first != span->first) return Went::on;
        error_ = std::get<DbError>(found);
        note_failure(span->first, wanted);
        return Went::failed;
    }
    if (auto* hole = std::get_if<MissingRange>(&found)) return take_damage(page, wanted, std::move(*hole), span->first);
    const auto& row = std::get<SegmentReader::Row>(found);
    note_success(span->first, row->first, row->last());
    if (planted("drop_partial") && page.events.empty() && wanted > row->first) {
        wanted = (page.next_after = row->last()) + 1;
        return Went::on;
    }
    return add_events(page, row, wanted, max_events, max_bytes, bytes_) ? Went::on : Went::stop;
}

/// Returns nullopt if the damage or failure that it met must be read again.
std::optional<Result<SpoolPage>> SpoolReader::try_to_read(Position after, std::size_t max_events,
                                                          std::size_t max_bytes) {
    SpoolPage page;
    page.last = book_.last();
    page.next_after = after;
    bytes_ = 0;
    Position wanted = after + 1;
    for (int rows = 0; wanted <= page.last && rows < max_rows_checked; ++rows) {
        if (!page.events.empty() && (page.events.size() >= max_events || bytes_ >= max_bytes)) break;
        const Went went = go_on(page, wanted, max_events, max_bytes);
        if (went == Went::stop) break;
        if (went == Went::doubtful) return std::nullopt;
        if (went == Went::failed && page.events.empty() && page.missing.empty()) {
            if (!failure_counts_) return std::nullopt;
            return Error{"cannot read the spool in " + directory_.path() + " behind position " + std::to_string(after) +
                         ": " + error_.message + ", and consumers wait; see the kernel's log for the disk"};
        }
        if (went == Went::failed) break;
    }
    return page;
}

Result<SpoolPage> SpoolReader::read(Position after, std::size_t max_events, std::size_t max_bytes) {
    for (RepeatedReads reads;;) {
        std::optional<std::chrono::milliseconds> pause;
        {
            const std::lock_guard lock(mutex_);
            damage_counts_ = reads.is_last_before_damage();
            failure_counts_ = reads.is_last_before_failure();
            is_doubtful_ = false;
            if (auto page = try_to_read(after, max_events, max_bytes)) return std::move(*page);
            pause = is_doubtful_ ? reads.after_damage() : reads.after_failure();
        }
        std::this_thread::sleep_for(pause.value_or(std::chrono::milliseconds(0)));
    }
}

void SpoolReader::read_again(std::vector<Position> positions) {
    {
        const std::lock_guard lock(trouble_mutex_);
        for (const auto& [segment, trouble] : troubles_) positions.push_back(trouble.at);
    }
    for (const Position position : positions) read_again_at(position);
    forget_trouble([this](Position segment, const Trouble& trouble) {
        const auto span = book_.span_of(trouble.at);
        return !span || span->first != segment || span->removed;
    });
}

void SpoolReader::read_again_at(Position position) {
    const std::lock_guard lock(mutex_);
    const auto span = book_.span_of(position);
    if (!span || span->removed) return;
    drop(span->first);
    latest_.reset();
    auto found = find(position, *span);
    if (std::holds_alternative<DbError>(found)) {
        error_ = std::get<DbError>(found);
        note_failure(span->first, position);
    } else if (const auto* row = std::get_if<SegmentReader::Row>(&found)) {
        note_success(span->first, (*row)->first, (*row)->last());
    } else {
        end_trouble(span->first, position, position);  // it is damaged, which the next consumer finds
    }
}

void SpoolReader::note_failure(Position segment, Position at) {
    bool begins = false;
    const std::string why = "events behind position " + std::to_string(at - 1) + " of the spool in " +
                            directory_.path() + " cannot be read: " + error_.message;
    {
        const std::lock_guard lock(trouble_mutex_);
        ++errors_;
        if (failure_counts_) {
            begins = troubles_.empty();
            troubles_.insert_or_assign(segment, Trouble{at, why});
        }
    }
    if (begins && reports_.trouble) reports_.trouble(why + "; reads are retried, and consumers wait");
}

void SpoolReader::note_success(Position segment, Position first, Position last) {
    reports_.whole(first, last);
    end_trouble(segment, first, last);
}

void SpoolReader::end_trouble(Position segment, Position first, Position last) {
    forget_trouble([&](Position of, const Trouble& trouble) {
        return of == segment && first <= trouble.at && trouble.at <= last;
    });
}

void SpoolReader::forget_trouble(const std::function<bool(Position, const Trouble&)>& is_over) {
    {
        const std::lock_guard lock(trouble_mutex_);
        if (troubles_.empty()) return;
        std::erase_if(troubles_, [&](const auto& one) { return is_over(one.first, one.second); });
        if (!troubles_.empty()) return;
    }
    if (reports_.recovered) reports_.recovered();
}

SpoolReader::Figures SpoolReader::figures() const {
    const std::lock_guard lock(trouble_mutex_);
    return {troubles_.empty() ? std::string() : troubles_.begin()->second.why, errors_};
}

}  // namespace holdfast
