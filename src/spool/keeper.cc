#include "spool/keeper.h"

#include <algorithm>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds pause_between{1000};
constexpr std::chrono::hours between_looks_at_sessions{1};
constexpr std::size_t damages_looked_at = 16;  // in a round
constexpr unsigned longest_back_off = 5;       // 32 rounds
/// Of a spool without news: its clock loses no more than this over a restart of the machine.
constexpr std::chrono::minutes between_saves_of_clock{10};
/// A device that has been away for longer starts from its first unacknowledged item again: sent twice, never lost.
constexpr std::chrono::hours least_session_age{24 * 7};

}  // namespace

SpoolKeeper::SpoolKeeper(Parts parts, const SpoolOptions& options)
    : parts_(std::move(parts)),
      retain_bytes_(options.retain_bytes),
      retain_age_(options.retain_age),
      on_clock_step_(options.on_clock_step) {
    thread_ = start_thread("spool-keeper", [this] { run(); });
}

SpoolKeeper::~SpoolKeeper() { stop(); }

void SpoolKeeper::change(const SpoolOptions& options) {
    const std::lock_guard lock(mutex_);
    retain_bytes_ = options.retain_bytes;
    retain_age_ = options.retain_age;
}

void SpoolKeeper::hurry() {
    {
        const std::lock_guard lock(mutex_);
        hurry_ = true;
    }
    wake_.notify_one();
}

std::string SpoolKeeper::error() const {
    const std::lock_guard lock(mutex_);
    return error_;
}

void SpoolKeeper::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void SpoolKeeper::run() {
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

void SpoolKeeper::keep(bool closing) {
    look_at_clock();
    look_at_files();
    seal();
    retain();
    if (!closing) look_again();
    save(closing);
    rounds_.fetch_add(1, std::memory_order_relaxed);
}

void SpoolKeeper::look_at_clock() {
    const auto step = parts_.clock.take_step();
    if (step && on_clock_step_) on_clock_step_(*step);
}

void SpoolKeeper::look_at_files() {
    if (!parts_.directory.hold().is_in_place() || !parts_.files.missing().empty()) parts_.files_missing();
    for (const SegmentBook::Segment& segment : parts_.book.all()) {
        if (segment.current || segment.removed || segment.last < segment.first) continue;
        if (!SpoolDirectory::is_missing(parts_.directory.segment_path(segment.first))) continue;
        parts_.book.removed(segment.first);
        parts_.segment_lost(segment);
    }
}

void SpoolKeeper::note(const std::string& what, const std::optional<DbError>& failed) {
    const std::lock_guard lock(mutex_);
    error_ = failed ? "the spool in " + parts_.directory.path() + " cannot " + what + ": " + failed->message : "";
}

void SpoolKeeper::save(bool closing) {
    const WallTime now = parts_.clock.now();
    const Position complete = parts_.book.last();  // before the sessions: those up to here are among them
    const SessionBook::Numbers& numbers = parts_.sessions.begin_saving();
    const OpenBook::Changes& open = parts_.open.begin_saving();
    const bool news = !numbers.empty() || !open.empty() || complete != saved_ || closing ||
                      parts_.control.quarantine().unsaved().has_value() || now - saved_at_ >= between_saves_of_clock;
    if (news) parts_.control.set_clock(parts_.clock.stored());
    std::optional<DbError> failed;
    if (news) failed = parts_.control.save({numbers, open}, complete, now, closing);
    if (news && !failed && !parts_.files.is_intact(parts_.directory.control_path())) {
        failed = DbError{DbFault::busy, 0, "it was removed"};  // written again when the writer has replaced it
    }
    parts_.open.end_saving(!failed);
    parts_.sessions.end_saving(!failed);
    if (!failed) saved_ = complete;
    if (!failed && news) saved_at_ = now;
    if (!failed && now - sessions_looked_at_ >= between_looks_at_sessions) {
        sessions_looked_at_ = now;
        failed = parts_.control.forget_sessions(now - session_age());
    }
    note("save its state (spool.db)", failed);
}

milliseconds SpoolKeeper::session_age() const {
    const std::lock_guard lock(mutex_);
    return std::max<milliseconds>(retain_age_, least_session_age);
}

void SpoolKeeper::seal() {
    for (const SegmentBook::Segment& segment : parts_.book.all()) {
        if (segment.current || segment.sealed || segment.removed) continue;
        const std::string path = parts_.directory.segment_path(segment.first);
        // Readers wait meanwhile. Should it fail, it is read as it is and tried again.
        parts_.reader.without(segment.first, [&] {
            if (!seal_segment(path)) parts_.book.sealed(segment.first);
        });
    }
}

/// Reads again, with back-off, what could not be read, and a part of what is damaged.
void SpoolKeeper::look_again() {
    if (rounds() < reads_due_) return;
    auto positions = parts_.control.quarantine().behind(looked_at_, damages_looked_at);
    looked_at_ = positions.empty() ? 0 : positions.back();
    parts_.reader.look_again(std::move(positions));
    reads_failed_ = parts_.reader.figures().error.empty() ? 0 : std::min(reads_failed_ + 1, longest_back_off);
    reads_due_ = rounds() + (std::uint64_t{1} << reads_failed_);
}

std::uint64_t SpoolKeeper::file_bytes() const {
    std::uint64_t bytes = SpoolDirectory::bytes_of(parts_.directory.control_path());
    for (const SegmentBook::Segment& segment : parts_.book.all()) {
        bytes += SpoolDirectory::bytes_of(parts_.directory.segment_path(segment.first));
    }
    return bytes;
}

/// Returns what retention counts. The logs are left out, since many small commits make them many times as large as
/// their events; so is spool.db: sessions have a budget of their own, and no event goes to make room for one.
std::uint64_t SpoolKeeper::event_bytes(const SegmentBook::Segment& segment) const {
    return std::max(segment.bytes, SpoolDirectory::plain_bytes_of(parts_.directory.segment_path(segment.first)));
}

void SpoolKeeper::retain() {
    std::uint64_t retain_bytes = 0;
    milliseconds retain_age{};
    {
        const std::lock_guard lock(mutex_);
        retain_bytes = retain_bytes_;
        retain_age = retain_age_;
    }
    std::uint64_t bytes = 0;
    for (const SegmentBook::Segment& segment : parts_.book.all()) bytes += event_bytes(segment);
    while (const auto oldest = parts_.book.oldest()) {
        const bool too_old = parts_.clock.now() - oldest->newest > retain_age;
        if (bytes <= retain_bytes && !too_old) return;
        const std::uint64_t its_bytes = event_bytes(*oldest);
        if (!remove_oldest(*oldest)) return;
        bytes -= std::min(bytes, its_bytes);
    }
}

bool SpoolKeeper::remove_oldest(const SegmentBook::Segment& oldest) {
    if (const auto slowest = parts_.control.slowest_required(); slowest && *slowest < oldest.last) return false;
    if (oldest.current) {
        parts_.end_segment();  // then it can go, a second later
        return false;
    }
    // Its name and its rows say how far positions have gone: somebody else must know that before it goes.
    if (saved_ < oldest.last) save(false);
    if (saved_ < oldest.last) return false;
    // The removals before this one, of which a power cut could undo any: it must not undo an older one alone.
    if (!parts_.directory.sync()) return false;
    parts_.book.forget(oldest.first);
    parts_.reader.without(oldest.first, [&] { SpoolDirectory::remove(parts_.directory.segment_path(oldest.first)); });
    static_cast<void>(parts_.control.quarantine().remove(0, parts_.book.first() - 1));  // no damage of what is not kept
    return true;
}

}  // namespace holdfast
