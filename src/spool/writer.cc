#include "spool/writer.h"

#include <algorithm>
#include <utility>

#include "base/plant.h"
#include "base/start_thread.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds retry_pause{500};
constexpr milliseconds shortest_question_pause{20};
constexpr std::uint64_t largest_segment = std::uint64_t{256} << 20;
constexpr std::uint64_t smallest_segment = std::uint64_t{1} << 20;
constexpr std::size_t kept_buffer = std::size_t{1} << 20;

// Retention removes whole files. A file of a sixteenth of the size and an eighth of the age bounds its error.
std::uint64_t segment_bytes(const SpoolOptions& options) {
    return std::clamp(options.retain_bytes / 16, smallest_segment, largest_segment);
}
milliseconds segment_age(const SpoolOptions& options) { return std::max(options.retain_age / 8, milliseconds(1000)); }

std::size_t weight(const SpoolBatch& batch) {
    std::size_t bytes = batch.lines.size();
    for (const Watermark& mark : batch.marks) bytes += sizeof mark + mark.name.id.size() + mark.name.session.size();
    return bytes;
}

}  // namespace

void SpoolWriter::Row::clear() {
    if (lines.capacity() > kept_buffer) lines = std::string();
    lines.clear();
    events = 0;
    listeners.clear();
    marks.clear();
    durable.clear();
    batches = 0;
    bytes = 0;
}

void SpoolWriter::Row::add(SpoolBatch batch) {
    bytes += weight(batch);
    if (lines.empty() && batch.lines.size() > lines.capacity()) {
        lines = std::move(batch.lines);
    } else {
        lines += batch.lines;
    }
    events += batch.events;
    for (auto& run : batch.listeners) {
        if (!listeners.empty() && listeners.back().first == run.first) {
            listeners.back().second += run.second;
        } else {
            listeners.push_back(std::move(run));
        }
    }
    std::move(batch.marks.begin(), batch.marks.end(), std::back_inserter(marks));
    if (batch.durable) durable.push_back(std::move(batch.durable));
    ++batches;
}

SpoolWriter::SpoolWriter(Parts parts, const SpoolOptions& options)
    : parts_(std::move(parts)),
      on_trouble_(options.on_trouble),
      on_recovered_(options.on_recovered),
      interval_(options.commit_interval),
      commit_bytes_(options.commit_bytes),
      segment_bytes_(segment_bytes(options)),
      segment_age_(segment_age(options)) {
    thread_ = start_thread("spool", [this] { run(); });
}

SpoolWriter::~SpoolWriter() { stop(milliseconds(0)); }

void SpoolWriter::append(SpoolBatch batch) {
    const std::size_t bytes = weight(batch);
    if (planted("ack_before_commit") && batch.durable) std::exchange(batch.durable, nullptr)();
    events_.fetch_add(batch.events, std::memory_order_relaxed);
    waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        queue_bytes_ += bytes;
        queue_.push_back({std::move(batch), std::chrono::steady_clock::now(), bytes});
        ++appended_;
        wake = waits_ == Waits::for_anything || (waits_ == Waits::for_more && queue_bytes_ >= commit_bytes_);
        if (wake) waits_ = Waits::no;
    }
    if (wake) wake_.notify_one();
}

void SpoolWriter::look_up(SessionName session, std::function<void(std::uint64_t)> answer) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        questions_.push_back({appended_, std::move(session), std::move(answer)});
        wake = waits_ == Waits::for_anything;
        if (wake) waits_ = Waits::no;
    }
    if (wake) wake_.notify_one();
}

void SpoolWriter::end_segment() {
    end_segment_ = true;
    {
        const std::lock_guard lock(mutex_);
        waits_ = Waits::no;
    }
    wake_.notify_one();
}

void SpoolWriter::change(const SpoolOptions& options) {
    segment_bytes_ = segment_bytes(options);
    segment_age_ = segment_age(options);
    const std::lock_guard lock(mutex_);
    interval_ = options.commit_interval;
    commit_bytes_ = options.commit_bytes;
}

SpoolWriter::Figures SpoolWriter::figures() const {
    Figures figures;
    figures.durable = durable_.load();
    figures.events = std::max(events_.load(), figures.durable);
    figures.commits = commits_.load();
    const std::lock_guard lock(mutex_);
    figures.error = error_.empty() ? question_error_ : error_;
    return figures;
}

std::uint64_t SpoolWriter::stop(milliseconds timeout) {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        deadline_ = std::chrono::steady_clock::now() + timeout;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
    return events_.load() - durable_.load();
}

void SpoolWriter::give_up() {
    {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
    }
    wake_.notify_one();
}

void SpoolWriter::run() {
    while (collect()) {
        if (files_missing_ && !replace_files_patiently()) break;
        if (end_segment_.exchange(false)) finish_segment();
        if (row_.batches > 0 && !commit()) break;
        answer_questions();
    }
    static_cast<void>(replace_files_patiently());  // files removed within the last second
    close_segment();
}

bool SpoolWriter::due() const {
    if (queue_.empty()) return false;
    return stopping_ || queue_bytes_ >= commit_bytes_ ||
           std::chrono::steady_clock::now() >= queue_.front().arrived + interval_;
}

bool SpoolWriter::has_question(Time now) const {
    return !questions_.empty() && questions_.front().behind <= committed_ && now >= questions_at_;
}

SpoolWriter::Time SpoolWriter::next_wake() const {
    const Time due = queue_.front().arrived + interval_;
    const bool asks = !questions_.empty() && questions_.front().behind <= committed_;
    return asks ? std::min(due, questions_at_) : due;
}

/// Fills row_ with due batches. Returns false if the writer was stopped and nothing waits. Leaves row_ empty if other
/// work is due.
bool SpoolWriter::collect() {
    std::unique_lock lock(mutex_);
    while (!due()) {
        if (has_question(std::chrono::steady_clock::now())) return true;
        if (end_segment_ || files_missing_) return true;
        if (stopping_) return false;
        if (queue_.empty()) {
            waits_ = Waits::for_anything;
            questions_.empty() ? wake_.wait(lock) : static_cast<void>(wake_.wait_until(lock, questions_at_));
        } else {
            waits_ = Waits::for_more;
            wake_.wait_until(lock, next_wake());
        }
        waits_ = Waits::no;
    }
    while (!queue_.empty() && (row_.batches == 0 || row_.bytes + queue_.front().bytes <= commit_bytes_)) {
        queue_bytes_ -= queue_.front().bytes;
        row_.add(std::move(queue_.front().batch));
        queue_.pop_front();
    }
    return true;
}

/// Returns false if the writer gave up: row_ is not durable.
bool SpoolWriter::commit() {
    while (auto error = try_commit()) {
        if (!wait_out(*error)) return false;
    }
    note_recovery();
    tell();
    tidy_up();
    return true;
}

std::optional<DbError> SpoolWriter::try_commit() {
    if (row_.events == 0 && row_.marks.empty()) return std::nullopt;
    if (files_missing_) {
        if (auto failed = try_to_replace_files()) return failed;
    }
    if (row_.events == 0) return save_marks();
    auto failed = write_row();
    // After a failed fsync or write, the content of the file on disk is unknown, and a second call would not reveal it.
    // Durable rows stay valid, and all later rows go to another file (docs/decisions/0013-the-spool.md).
    if (failed && failed->fault != DbFault::full && failed->fault != DbFault::busy) finish_segment();
    return failed;
}

std::optional<DbError> SpoolWriter::save_marks() {
    if (auto failed = parts_.manifest.save_marks(row_.marks, parts_.clock.now())) return failed;
    if (parts_.files.is_intact(parts_.directory.manifest_path())) return std::nullopt;
    files_missing_ = true;
    return DbError{DbFault::busy, 0, "its files were removed"};
}

std::optional<DbError> SpoolWriter::write_row() {
    if (auto failed = open_segment()) return failed;
    if (planted("marks_before_items")) static_cast<void>(save_marks());
    const WallTime now = parts_.clock.now();
    const std::string listeners = listeners_text(row_.listeners);
    const std::string sessions = sessions_text(row_.marks);
    const StoredRow stored{.first = parts_.book.last() + 1,
                           .events = row_.events,
                           .at_ms = now.time_since_epoch().count(),
                           .listeners = listeners,
                           .sessions = sessions,
                           .lines = row_.lines};
    if (auto failed = segment_->append(stored, checksum(stored))) return failed;
    if (!parts_.files.is_intact(segment_path())) {
        files_missing_ = true;
        return DbError{DbFault::busy, 0, "its files were removed"};
    }
    parts_.sessions.note(row_.marks);  // before the position, so that a reader of the position also finds these
    parts_.open.note(row_.lines, false);
    parts_.book.committed(stored.first + stored.events - 1, now, segment_->bytes());
    commits_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
}

std::optional<DbError> SpoolWriter::open_segment() {
    const WallTime now = parts_.clock.now();
    if (segment_) {
        const bool full = segment_->bytes() >= segment_bytes_.load();
        const bool old = segment_->bytes() > 0 && now - segment_began_ >= segment_age_.load();
        if (!full && !old) return std::nullopt;
        finish_segment();
    }
    if (auto failed = try_to_replace_files()) return failed;  // never a file in the directory of another process
    if (segment_) close_segment();
    DbError error;
    const Position first = parts_.book.last() + 1;
    if (rowless_ == first) {
        // A row whose commit failed may be complete in the file. The new file receives that row again.
        SpoolDirectory::remove(parts_.directory.segment_path(first));
        if (!parts_.directory.sync()) return system_error("cannot sync " + parts_.directory.path());
    }
    segment_ = SegmentWriter::create(parts_.directory, first, parts_.manifest.id(), error);
    if (!segment_) return error;
    segment_began_ = now;
    parts_.files.watch(segment_path());
    parts_.book.begin(first, now);
    return std::nullopt;
}

void SpoolWriter::close_segment() {
    if (!segment_) return;
    parts_.files.forget(segment_path());
    if (parts_.book.last() < segment_->first()) rowless_ = segment_->first();
    segment_.reset();
    parts_.book.end_current();
    parts_.segment_ended();
}

void SpoolWriter::tell() {
    if (row_.events == 0) parts_.sessions.note(row_.marks);
    durable_.fetch_add(row_.events, std::memory_order_relaxed);
    waiting_bytes_.fetch_sub(row_.bytes, std::memory_order_relaxed);
    for (const auto& durable : row_.durable) durable();
    {
        const std::lock_guard lock(mutex_);
        committed_ += row_.batches;
    }
    row_.clear();
}

void SpoolWriter::answer_questions() {
    for (;;) {
        Question question;
        {
            const std::lock_guard lock(mutex_);
            if (!has_question(std::chrono::steady_clock::now())) return;
            question = std::move(questions_.front());
            questions_.pop_front();
        }
        auto seq = parts_.sessions.seq_of(question.session);
        DbError error;
        if (!seq) seq = parts_.manifest.seq_of(question.session, error);
        if (!seq) return put_back(std::move(question), error);
        note_answers();
        question.answer(planted("dedupe_per_connection") ? 0 : *seq);
    }
}

/// Puts the question back for a later attempt, while commits continue. An unreadable number must not be answered as 0.
void SpoolWriter::put_back(Question question, const DbError& error) {
    question_pause_ = std::clamp(question_pause_ * 2, shortest_question_pause, retry_pause);
    const std::string message = "cannot read the numbers of sessions in the spool in " + parts_.directory.path() +
                                ": " + error.message + "; devices that resume wait until the read succeeds";
    bool news = false;
    {
        const std::lock_guard lock(mutex_);
        questions_.push_front(std::move(question));
        questions_at_ = std::chrono::steady_clock::now() + question_pause_;
        news = question_error_.empty();
        question_error_ = message;
    }
    if (news && on_trouble_) on_trouble_(message);
}

void SpoolWriter::note_answers() {
    question_pause_ = milliseconds(0);
    {
        const std::lock_guard lock(mutex_);
        if (question_error_.empty()) return;
        question_error_.clear();
    }
    if (on_recovered_) on_recovered_();
}

/// Runs after the answers, so that only the next row waits for it.
void SpoolWriter::tidy_up() {
    if (!segment_) return;
    const auto failed = segment_->checkpoint_if_due();
    // The log still has all rows; the file is sealed when the disk works again.
    if (failed && failed->fault != DbFault::full && failed->fault != DbFault::busy) finish_segment();
}

/// Reports the failure and waits for the next attempt. Returns false if no time is left.
bool SpoolWriter::wait_out(const DbError& error) {
    const std::string message = "cannot write events to the spool in " + parts_.directory.path() + ": " +
                                error.message +
                                "; devices wait until the spool can be written, and nothing is lost or acknowledged" +
                                (error.fault == DbFault::full ? "; free some space" : "");
    bool news = false;
    bool go_on = false;
    {
        std::unique_lock lock(mutex_);
        news = error_.empty();
        error_ = message;
    }
    if (news && on_trouble_) on_trouble_(message);
    std::unique_lock lock(mutex_);
    const auto until = std::min(deadline_, std::chrono::steady_clock::now() + retry_pause);
    const bool was_stopping = stopping_;
    wake_.wait_until(lock, until, [this, was_stopping] { return given_up_ || stopping_ != was_stopping; });
    go_on = !given_up_ && std::chrono::steady_clock::now() < deadline_;
    return go_on;
}

void SpoolWriter::note_recovery() {
    {
        const std::lock_guard lock(mutex_);
        if (error_.empty()) return;
        error_.clear();
    }
    if (on_recovered_) on_recovered_();
}

}  // namespace holdfast
