#include "spool/maintenance.h"

#include <algorithm>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds pause_between{1000};
constexpr std::chrono::hours between_session_checks{1};
constexpr std::size_t damages_read = 16;  // per round
constexpr unsigned longest_back_off = 5;  // 32 rounds
/// Interval for a spool without new events: a restart of the machine sets its clock back by at most this time.
constexpr std::chrono::minutes between_saves_of_clock{10};
/// A device that was away longer starts from its first unacknowledged item again: repeated items, never a lost one.
constexpr std::chrono::hours min_session_age{24 * 7};

}  // namespace

Maintenance::Maintenance(Parts parts, const SpoolOptions& options)
    : parts_(std::move(parts)),
      retain_bytes_(options.retain_bytes),
      retain_age_(options.retain_age),
      on_clock_step_(options.on_clock_step) {
    thread_ = start_thread("spool-keeper", [this] { run(); });
}

Maintenance::~Maintenance() { stop(); }

void Maintenance::change(const SpoolOptions& options) {
    const std::lock_guard lock(mutex_);
    retain_bytes_ = options.retain_bytes;
    retain_age_ = options.retain_age;
}

void Maintenance::hurry() {
    {
        const std::lock_guard lock(mutex_);
        hurry_ = true;
    }
    wake_.notify_one();
}

std::string Maintenance::error() const {
    const std::lock_guard lock(mutex_);
    return error_;
}

void Maintenance::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void Maintenance::run() {
    bool stopping = false;
    while (!stopping) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, pause_between, [this] { return stopping_ || hurry_; });
            hurry_ = false;
            stopping = stopping_;
        }
        keep(stopping);
    }
}

void Maintenance::keep(bool closing) {
    check_clock();
    check_files();
    seal();
    retain();
    if (!closing) read_again();
    save(closing);
    rounds_.fetch_add(1, std::memory_order_relaxed);
}

void Maintenance::check_clock() {
    const auto step = parts_.clock.take_step();
    if (step && on_clock_step_) on_clock_step_(*step);
}

void Maintenance::check_files() {
    if (!parts_.directory.hold().is_in_place() || !parts_.files.missing().empty()) parts_.files_missing();
    for (const SegmentIndex::Segment& segment : parts_.book.all()) {
        if (segment.current || segment.removed || segment.last < segment.first) continue;
        if (!SpoolDirectory::is_missing(parts_.directory.segment_path(segment.first))) continue;
        parts_.book.removed(segment.first);
        parts_.segment_lost(segment);
    }
}

void Maintenance::note(const std::string& what, const std::optional<DbError>& failed) {
    const std::lock_guard lock(mutex_);
    error_ = failed ? "the spool in " + parts_.directory.path() + " cannot " + what + ": " + failed->message : "";
}

void Maintenance::save(bool closing) {
    const WallTime now = parts_.clock.now();
    const Position complete = parts_.book.last();  // read before the sessions, which then include all up to it
    const SessionBook::Numbers& numbers = parts_.sessions.begin_saving();
    const OpenBook::Changes& open = parts_.open.begin_saving();
    const bool news = !numbers.empty() || !open.empty() || complete != saved_ || closing ||
                      parts_.manifest.quarantine().unsaved().has_value() || now - saved_at_ >= between_saves_of_clock;
    if (news) parts_.manifest.set_clock(parts_.clock.stored());
    std::optional<DbError> failed;
    if (news) failed = parts_.manifest.save({numbers, open}, complete, now, closing);
    if (news && !failed && !parts_.files.is_intact(parts_.directory.manifest_path())) {
        failed = DbError{DbFault::busy, 0, "the file was removed"};  // written again when the writer has replaced it
    }
    parts_.open.end_saving(!failed);
    parts_.sessions.end_saving(!failed);
    if (!failed) saved_ = complete;
    if (!failed && news) saved_at_ = now;
    if (!failed && now - sessions_checked_ >= between_session_checks) {
        sessions_checked_ = now;
        failed = parts_.manifest.forget_sessions(now - session_age());
    }
    note("save its state (spool.db)", failed);
}

milliseconds Maintenance::session_age() const {
    const std::lock_guard lock(mutex_);
    return std::max<milliseconds>(retain_age_, min_session_age);
}

void Maintenance::seal() {
    for (const SegmentIndex::Segment& segment : parts_.book.all()) {
        if (segment.current || segment.sealed || segment.removed) continue;
        const std::string path = parts_.directory.segment_path(segment.first);
        // Readers wait during the seal. After a failure the file is read unsealed, and the next round retries.
        parts_.reader.without(segment.first, [&] {
            if (!seal_segment(path)) parts_.book.sealed(segment.first);
        });
    }
}

/// Reads unreadable positions again, with back-off, and a part of the quarantine.
void Maintenance::read_again() {
    if (rounds() < reads_due_) return;
    auto positions = parts_.manifest.quarantine().behind(looked_at_, damages_read);
    looked_at_ = positions.empty() ? 0 : positions.back();
    parts_.reader.read_again(std::move(positions));
    reads_failed_ = parts_.reader.figures().error.empty() ? 0 : std::min(reads_failed_ + 1, longest_back_off);
    reads_due_ = rounds() + (std::uint64_t{1} << reads_failed_);
}

std::uint64_t Maintenance::file_bytes() const {
    std::uint64_t bytes = SpoolDirectory::bytes_of(parts_.directory.manifest_path());
    for (const SegmentIndex::Segment& segment : parts_.book.all()) {
        bytes += SpoolDirectory::bytes_of(parts_.directory.segment_path(segment.first));
    }
    return bytes;
}

/// Returns the size that counts for retention. Logs are excluded: many small commits make them many times as large as
/// their events. spool.db is excluded: sessions have their own budget, and no event is removed to make room for one.
std::uint64_t Maintenance::event_bytes(const SegmentIndex::Segment& segment) const {
    return std::max(segment.bytes, SpoolDirectory::plain_bytes_of(parts_.directory.segment_path(segment.first)));
}

void Maintenance::retain() {
    std::uint64_t retain_bytes = 0;
    milliseconds retain_age{};
    {
        const std::lock_guard lock(mutex_);
        retain_bytes = retain_bytes_;
        retain_age = retain_age_;
    }
    std::uint64_t bytes = 0;
    for (const SegmentIndex::Segment& segment : parts_.book.all()) bytes += event_bytes(segment);
    while (const auto oldest = parts_.book.oldest()) {
        const bool too_old = parts_.clock.now() - oldest->newest > retain_age;
        if (bytes <= retain_bytes && !too_old) return;
        const std::uint64_t its_bytes = event_bytes(*oldest);
        if (!remove_oldest(*oldest)) return;
        bytes -= std::min(bytes, its_bytes);
    }
}

bool Maintenance::remove_oldest(const SegmentIndex::Segment& oldest) {
    if (const auto slowest = parts_.manifest.slowest_required(); slowest && *slowest < oldest.last) return false;
    if (oldest.current) {
        parts_.end_segment();  // the next round, a second later, can remove it
        return false;
    }
    // The file's name and rows record the highest position in use. spool.db must record it before the file is removed.
    if (saved_ < oldest.last) save(false);
    if (saved_ < oldest.last) return false;
    // Makes earlier removals durable first: after a power cut, an older file must not exist without the newer one.
    if (!parts_.directory.sync()) return false;
    parts_.book.forget(oldest.first);
    parts_.reader.without(oldest.first, [&] { SpoolDirectory::remove(parts_.directory.segment_path(oldest.first)); });
    static_cast<void>(
        parts_.manifest.quarantine().remove(0, parts_.book.first() - 1));  // no quarantine for removed events
    return true;
}

}  // namespace holdfast
