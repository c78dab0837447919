#include "spool/spool.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/plant.h"
#include "spool/directory.h"
#include "spool/last_events.h"
#include "spool/maintenance.h"
#include "spool/manifest.h"
#include "spool/open_book.h"
#include "spool/open_files.h"
#include "spool/reader.h"
#include "spool/segment_file.h"
#include "spool/segment_index.h"
#include "spool/segment_reader.h"
#include "spool/session_table.h"
#include "spool/start_retries.h"
#include "spool/survey.h"
#include "spool/writer.h"
#include "text/printable.h"

namespace holdfast {

namespace {

/// Minimum number of sessions that are kept between two saves, even if the table's budget is smaller: the table decides
/// which of them to drop.
constexpr std::uint64_t min_unsaved_sessions = 65'536;

constexpr std::chrono::minutes removal_shows{1};
constexpr std::chrono::milliseconds longest_wait_for_table{2'000};

constexpr std::size_t max_memo = 4'096;

std::string absolute(const std::string& path) {
    std::error_code unknown;
    return std::filesystem::absolute(path, unknown);
}

/// Owns the parts, in the order of their dependencies. The header documents the interface.
class SqliteSpool final : public Spool {
public:
    SqliteSpool(SpoolOptions options, SpoolDirectory directory, std::unique_ptr<Manifest> manifest)
        : options_(std::move(options)),
          clock_(options_.read_clocks ? options_.read_clocks : read_system_clocks),
          directory_(std::move(directory)),
          manifest_(std::move(manifest)),
          reader_(directory_, book_,
                  {.damaged = [this](const MissingRange& range) { note_damage(range); },
                   .is_damaged = [this](Position position) { return manifest_->quarantine().has(position); },
                   .whole = [this](Position first, Position last) { note_whole(first, last); },
                   .trouble = options_.on_read_trouble,
                   .recovered = options_.on_read_recovered}) {
        manifest_->require(options_.required_groups);
        limit_sessions(options_.sessions);
    }
    ~SqliteSpool() override { stop(std::chrono::milliseconds(0)); }

    [[nodiscard]] std::optional<Error> start(const std::vector<Position>& segments, StartRetries& retries);

    void append(SpoolBatch batch) override { writer_->append(std::move(batch)); }
    [[nodiscard]] std::size_t waiting_bytes() const override { return writer_->waiting_bytes(); }
    void look_up(SessionName session, std::function<void(std::uint64_t)> answer) override {
        writer_->look_up(std::move(session), std::move(answer));
    }
    [[nodiscard]] Result<SpoolPage> read(Position after, std::size_t max_events, std::size_t max_bytes) override {
        return reader_.read(after, max_events, max_bytes);
    }
    [[nodiscard]] WallTime now() const override { return clock_.now(); }
    bool wait_for(Position after, std::chrono::milliseconds timeout) override { return book_.wait_for(after, timeout); }
    [[nodiscard]] std::vector<SpoolGroup> groups() override { return manifest_->groups(); }
    [[nodiscard]] std::optional<Error> set_position(const std::string& group, Position position) override {
        return store_position(group, position, std::nullopt);
    }
    [[nodiscard]] std::optional<Error> set_position(const std::string& group, Position position,
                                                    const std::string& memo) override {
        return store_position(group, position, memo);
    }
    [[nodiscard]] std::optional<Error> remove_group(const std::string& group) override {
        auto failed = manifest_->remove_group(group);
        return failed ? failed : confirm_manifest();
    }
    void visit_lost(const std::function<void(const LostConnection&)>& visit,
                    const std::function<bool(const LostConnection&)>& is_kept) override;
    [[nodiscard]] bool is_open(const std::string& conn) override {
        if (const auto known = open_.is_open(conn)) return *known;
        return is_stored_open(conn);
    }
    void forget_lost(const std::string& conn) override { open_.forget(conn); }
    void change(const SpoolOptions& options) override;
    [[nodiscard]] SpoolStatus status() override;
    std::uint64_t stop(std::chrono::milliseconds timeout) override;
    void give_up() override { writer_->give_up(); }

private:
    [[nodiscard]] std::optional<Error> restore(const std::vector<Position>& segments, StartRetries& retries);
    [[nodiscard]] std::optional<DbError> start_clock();
    [[nodiscard]] std::optional<DbError> recall(StartRetries& retries);
    [[nodiscard]] bool is_stored_open(const std::string& conn);
    void recall_row(const GoodRow& row);
    void limit_sessions(const SessionBudget& budget);
    void note_damage(const MissingRange& range);
    void note_whole(Position first, Position last);
    void note_lost(const SegmentIndex::Segment& segment);
    void note_removed(const std::string& report);
    [[nodiscard]] std::string error(const std::string& of_writer) const;
    [[nodiscard]] std::optional<Error> confirm_manifest();
    [[nodiscard]] std::optional<Error> store_position(const std::string& group, Position position,
                                                      const std::optional<std::string>& memo);
    [[nodiscard]] Maintenance::Parts maintenance_parts();
    [[nodiscard]] SpoolWriter::Parts writer_parts();
    [[nodiscard]] std::chrono::milliseconds age_of_oldest() const;
    TimeAway away_;

    const SpoolOptions options_;
    const std::string path_ = absolute(options_.directory);
    SpoolClock clock_;
    const SpoolDirectory directory_;
    const std::unique_ptr<Manifest> manifest_;
    SegmentIndex book_;
    SessionBook sessions_;
    OpenBook open_;
    OpenFiles files_;
    mutable std::mutex removed_mutex_;
    std::string removed_;                               // guarded by removed_mutex_
    std::chrono::steady_clock::time_point removed_at_;  // guarded by removed_mutex_
    SpoolReader reader_;
    Position inherited_ = 0;
    std::optional<Maintenance> keeper_;  // ends after the writer, because it seals the writer's last file
    std::optional<SpoolWriter> writer_;
    std::atomic<bool> writing_{false};  // a writer exists, which keeper_ may call
};

/// Starts the clock from which ages are counted. A version without this clock stored wall times: its newest event
/// counts as new.
std::optional<DbError> SqliteSpool::start_clock() {
    std::optional<WallTime> newest;
    for (const SegmentIndex::Segment& segment : book_.all()) {
        if (segment.newest != WallTime::max()) newest = segment.newest;
    }
    clock_.start(manifest_->clock(), newest);
    const WallTime now = clock_.now();
    if (newest) {
        const std::chrono::milliseconds by_wall = clock_.wall() - clock_.former_wall(*newest);
        away_ = {clock_.knows_time_away() ? now - *newest : by_wall, clock_.knows_time_away()};
    }
    book_.bound_times(now);
    if (manifest_->clock().empty()) {
        if (auto failed = manifest_->bound_session_times(now)) return failed;
    }
    manifest_->set_clock(clock_.stored());
    return std::nullopt;
}

/// Restores sessions and open connections from the rows that are newer than the tables of spool.db.
std::optional<DbError> SqliteSpool::recall(StartRetries& retries) {
    Position wanted = manifest_->knows_open() ? std::max(manifest_->complete() + 1, book_.first()) : book_.first();
    const Position last = book_.last();
    std::optional<SegmentReader> reader;
    Position in_reader = 0;
    while (wanted <= last) {
        const auto span = book_.span_of(wanted);
        if (std::exchange(in_reader, span->first) != span->first) reader.reset();
        SegmentReader::Found found;
        const auto failed = retries.run([&]() -> std::optional<DbError> {
            found = find_patiently(directory_.segment_path(span->first), reader, wanted, span->end);
            const auto* error = std::get_if<DbError>(&found);
            return error != nullptr ? std::optional(*error) : std::nullopt;
        });
        if (failed) return failed;
        if (const auto* row = std::get_if<SegmentReader::Row>(&found)) {
            recall_row(**row);
            wanted = (*row)->last() + 1;
        } else {
            wanted = std::get<MissingRange>(found).last + 1;
        }
    }
    return std::nullopt;
}

void SqliteSpool::recall_row(const GoodRow& row) {
    open_.note(row.lines, manifest_->knows_open());
    if (row.last() <= manifest_->complete()) return;
    if (const auto marks = parse_sessions(row.sessions)) sessions_.note(*marks);
}

/// Returns true if the table cannot be read: a repeated closed event is better than a missing one.
bool SqliteSpool::is_stored_open(const std::string& conn) {
    StartRetries retries(options_.directory, longest_wait_for_table, {});
    bool has = false;
    return retries.run([&] { return manifest_->has_open(conn, has); }) || has;
}

void SqliteSpool::visit_lost(const std::function<void(const LostConnection&)>& visit,
                             const std::function<bool(const LostConnection&)>& is_kept) {
    if (planted("leave_open")) return;
    constexpr std::size_t page = 1'000;
    StartRetries retries(options_.directory, options_.start_timeout,
                         {options_.on_read_trouble, options_.on_read_recovered, options_.pause_start});
    const auto each = [&](const std::function<void(const Manifest::OpenRow&)>& take) {
        std::string behind;
        std::vector<Manifest::OpenRow> rows;
        // Connections that cannot be read remain in the table for the next start.
        while (!retries.run([&] { return manifest_->open_behind(behind, page, rows); }) && !rows.empty()) {
            for (const Manifest::OpenRow& row : rows) take(row);
            behind = rows.back().first;
        }
    };
    LastEvents last(directory_, book_);
    visit_with_last_events(each, last, {visit, is_kept});
}

/// Restores the tables from the files and saves them.
std::optional<Error> SqliteSpool::restore(const std::vector<Position>& segments, StartRetries& retries) {
    auto unread = Survey({directory_, *manifest_, book_, retries}).run(segments);
    auto failed = start_clock();
    if (!unread) unread = recall(retries);
    if (unread) {
        return Error{"cannot read the spool in " + directory_.path() + ": " + unread->message +
                     ", and nothing was changed; see the kernel's log for the disk"};
    }
    const Position last = inherited_ = book_.last();
    if (!failed) failed = manifest_->save({sessions_.begin_saving(), open_.begin_saving()}, last, clock_.now(), false);
    sessions_.end_saving(!failed);
    open_.end_saving(!failed);
    if (failed) {
        return Error{"cannot write to the spool's " + directory_.manifest_path() + ": " + failed->message +
                     "; free some space, or give this user the file"};
    }
    return std::nullopt;
}

Maintenance::Parts SqliteSpool::maintenance_parts() {
    return {.directory = directory_,
            .book = book_,
            .sessions = sessions_,
            .open = open_,
            .manifest = *manifest_,
            .reader = reader_,
            .clock = clock_,
            .end_segment = [this] { writer_->end_segment(); },
            .files = files_,
            .files_missing =
                [this] {
                    if (writing_) writer_->replace_files();
                },
            .segment_lost = [this](const auto& segment) { note_lost(segment); }};
}

SpoolWriter::Parts SqliteSpool::writer_parts() {
    return {.directory = directory_,
            .book = book_,
            .sessions = sessions_,
            .open = open_,
            .manifest = *manifest_,
            .clock = clock_,
            .segment_ended = [this] { keeper_->hurry(); },
            .files = files_,
            .without_readers = [this](Position segment,
                                      const std::function<void()>& work) { reader_.without(segment, work); },
            .files_replaced = [this](const auto& report) { note_removed(report); },
            .segment_lost = [this](const auto& segment) { note_lost(segment); }};
}

std::optional<Error> SqliteSpool::start(const std::vector<Position>& segments, StartRetries& retries) {
    if (auto failed = restore(segments, retries)) return failed;
    files_.watch(directory_.manifest_path());
    keeper_.emplace(maintenance_parts(), options_);
    writer_.emplace(writer_parts(), options_);
    writing_ = true;
    return std::nullopt;
}

std::optional<Error> SqliteSpool::store_position(const std::string& group, Position position,
                                                 const std::optional<std::string>& memo) {
    if (!is_name(group)) return Error{"the group name is invalid; write 1 to 64 characters of A-Z a-z 0-9 _ . -"};
    if (const Position last = book_.last(); position > last) {
        return Error{"position " + std::to_string(position) + " is beyond the newest event " + std::to_string(last)};
    }
    if (memo && memo->size() > max_memo)
        return Error{"the memo of the group is too long; write at most " + std::to_string(max_memo) + " bytes"};
    auto failed = manifest_->set_position(group, position, memo, clock_.wall());
    return failed ? failed : confirm_manifest();
}

/// Detects that spool.db was removed: the commit would disappear with the process. The writer then copies the content
/// into a new file.
std::optional<Error> SqliteSpool::confirm_manifest() {
    if (files_.is_intact(directory_.manifest_path())) return std::nullopt;
    writer_->replace_files();
    return Error{"cannot store it: " + directory_.manifest_path() +
                 " was removed while in use, and is created again; repeat the request"};
}

void SqliteSpool::limit_sessions(const SessionBudget& budget) {
    manifest_->limit_sessions(budget);
    sessions_.limit(std::max(budget.overall, min_unsaved_sessions));
}

void SqliteSpool::change(const SpoolOptions& options) {
    manifest_->require(options.required_groups);
    limit_sessions(options.sessions);
    writer_->change(options);
    keeper_->change(options);
}

void SqliteSpool::note_damage(const MissingRange& range) {
    if (!manifest_->quarantine().add(range, clock_.wall()) || !options_.on_quarantine) return;
    const std::string events =
        range.first == range.last
            ? "the event at position " + std::to_string(range.first) + " is"
            : "the events at positions " + std::to_string(range.first) + " to " + std::to_string(range.last) + " are";
    options_.on_quarantine("the spool in " + directory_.path() + " is damaged: " + events + " lost (" + range.why +
                           "), and all other events are delivered; check the disk");
}

void SqliteSpool::note_whole(Position first, Position last) {
    if (!manifest_->quarantine().remove(first, last) || !options_.on_healed) return;
    options_.on_healed("the events at positions " + std::to_string(first) + " to " + std::to_string(last) +
                       " of the spool in " + directory_.path() +
                       " can be read again; read them with --from where a consumer passed them");
}

void SqliteSpool::note_lost(const SegmentIndex::Segment& segment) {
    static_cast<void>(
        manifest_->quarantine().add({segment.first, segment.last, std::string(file_was_removed)}, clock_.wall()));
    note_removed("a file of the spool in " + directory_.path() + " was removed while in use: events " +
                 std::to_string(segment.first) + " to " + std::to_string(segment.last) +
                 " are lost for consumers that have not read them; find the cause of the removal");
}

/// Reports the loss as the spool's error for a while, because lost events stay lost after the next good commit.
void SqliteSpool::note_removed(const std::string& report) {
    {
        const std::lock_guard lock(removed_mutex_);
        removed_ = report;
        removed_at_ = std::chrono::steady_clock::now();
    }
    if (options_.on_quarantine) options_.on_quarantine(report);
}

/// Returns the error of the writer or the maintenance, else a recent loss.
std::string SqliteSpool::error(const std::string& of_writer) const {
    if (!of_writer.empty()) return of_writer;
    if (std::string of_keeper = keeper_->error(); !of_keeper.empty()) return of_keeper;
    const std::lock_guard lock(removed_mutex_);
    return std::chrono::steady_clock::now() - removed_at_ < removal_shows ? removed_ : std::string();
}

std::chrono::milliseconds SqliteSpool::age_of_oldest() const {
    const auto oldest = book_.oldest();
    if (!oldest) return {};
    return std::max(clock_.now() - oldest->oldest, std::chrono::milliseconds(0));
}

SpoolStatus SqliteSpool::status() {
    const SpoolWriter::Figures written = writer_->figures();
    const Quarantine::Figures quarantined = manifest_->quarantine().figures();
    SpoolReader::Figures reads = reader_.figures();
    std::vector<SpoolGroup> groups = manifest_->groups();
    const Position last = book_.last();
    for (SpoolGroup& group : groups) group.lag_events = last - std::min(last, group.position);
    return {.id = manifest_->id(),
            .path = path_,
            .first = book_.first(),
            .last = last,
            .inherited = inherited_,
            .events = written.events,
            .waiting_events = written.events - written.durable,
            .waiting_bytes = writer_->waiting_bytes(),
            .commits = written.commits,
            .file_bytes = keeper_->file_bytes(),
            .keeper_rounds = keeper_->rounds(),
            .quarantined_rows = quarantined.rows,
            .quarantined_events = quarantined.events,
            .read_error = std::move(reads.error),
            .read_errors = reads.errors,
            .oldest = age_of_oldest(),
            .away = away_,
            .error = error(written.error),
            .sessions = manifest_->session_figures(),
            .groups = std::move(groups),
            .gateway_lost = 0};
}

std::uint64_t SqliteSpool::stop(std::chrono::milliseconds timeout) {
    if (!writer_) return 0;
    const std::uint64_t lost = writer_->stop(timeout);
    book_.stop_waiting();
    keeper_->stop();
    return lost;
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options) {
    auto directory = SpoolDirectory::take(options.directory);
    if (!directory) return directory.error();
    StartRetries retries(options.directory, options.start_timeout,
                         {options.on_read_trouble, options.on_read_recovered, options.pause_start});
    SpoolDirectory::Contents contents;
    const auto list = [&] {
        auto failed = directory.value().finish_replacements();
        if (!failed) failed = directory.value().write_logs_again();
        return failed ? failed : directory.value().list(contents);
    };
    if (const auto failed = retries.run(list)) {
        return Error{"cannot open the spool: " + failed->message + "; see the kernel's log for the disk"};
    }
    directory.value().remove_leftovers();
    Manifest::Opening opening{directory.value(), contents, retries, {}};
    auto manifest = Manifest::open(opening);
    if (!manifest) return manifest.error();
    if (!opening.rebuilt.empty() && options.on_quarantine) options.on_quarantine(opening.rebuilt);
    auto spool =
        std::make_unique<SqliteSpool>(std::move(options), std::move(directory).value(), std::move(manifest).value());
    if (auto error = spool->start(contents.segments, retries)) return *error;
    return std::unique_ptr<Spool>(std::move(spool));
}

Result<std::optional<Position>> Spool::move_group(const std::string& group, const GroupMove& move) {
    const std::lock_guard lock(moving_);
    if (move.after) {
        const auto all = groups();
        const auto row = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == group; });
        const Position now = row == all.end() ? 0 : row->position;
        const auto latest = latest_movers_.find(group);
        const bool is_own = latest == latest_movers_.end() || latest->second == move.consumer;
        const bool is_repeated = now == move.position && is_own;
        if (now != *move.after && !is_repeated) return std::optional(now);
    }
    if (auto failed = set_position(group, move.position)) return *failed;
    latest_movers_[group] = move.consumer;
    return std::optional<Position>();
}

}  // namespace holdfast
