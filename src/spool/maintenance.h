#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "spool/manifest.h"
#include "spool/open_book.h"
#include "spool/open_files.h"
#include "spool/reader.h"
#include "spool/segment_index.h"
#include "spool/session_table.h"
#include "spool/spool_clock.h"
#include "spool/writer.h"

namespace holdfast {

/// Maintains the spool about once a second on its own thread: saves the numbers of sessions, seals ended files, and
/// applies retention. Ends by stop().
class Maintenance {
public:
    struct Parts {
        const SpoolDirectory& directory;
        SegmentIndex& book;
        SessionBook& sessions;
        OpenBook& open;
        Manifest& manifest;
        SpoolReader& reader;
        SpoolClock& clock;
        std::function<void()> end_segment;  ///< request to end the current file
        OpenFiles& files;
        std::function<void()> files_missing;  ///< an open file or the lock was removed
        std::function<void(const SegmentIndex::Segment& segment)> segment_lost;
    };

    Maintenance(Parts parts, const SpoolOptions& options);
    ~Maintenance();

    void change(const SpoolOptions& options);
    void hurry();  ///< starts the next round now
    [[nodiscard]] std::string error() const;
    [[nodiscard]] std::uint64_t file_bytes() const;  ///< size of all files, with their logs
    /// Returns the number of complete rounds.
    [[nodiscard]] std::uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
    /// Runs one last round and ends the thread. Must be called after the writer has stopped.
    void stop();

private:
    void run();
    void check_clock();
    void check_files();
    void keep(bool closing);
    void save(bool closing);
    [[nodiscard]] std::chrono::milliseconds session_age() const;
    void seal();
    void retain();
    [[nodiscard]] std::uint64_t event_bytes(const SegmentIndex::Segment& segment) const;
    void read_again();
    [[nodiscard]] bool remove_oldest(const SegmentIndex::Segment& oldest);
    void note(const std::string& what, const std::optional<DbError>& failed);

    const Parts parts_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;                 // guarded by mutex_
    bool hurry_ = false;                    // guarded by mutex_
    std::uint64_t retain_bytes_;            // guarded by mutex_
    std::chrono::milliseconds retain_age_;  // guarded by mutex_
    std::string error_;                     // guarded by mutex_
    std::atomic<std::uint64_t> rounds_{0};
    const std::function<void(std::chrono::milliseconds)> on_clock_step_;
    std::uint64_t reads_due_ = 0;  // this thread only: the round of the next read of unreadable positions
    unsigned reads_failed_ = 0;    // this thread only: consecutive rounds with failed reads
    Position looked_at_ = 0;       // this thread only: last position of the quarantine that was read again
    Position saved_ = 0;           // this thread only: last position that is complete in spool.db
    WallTime saved_at_;            // this thread only
    WallTime sessions_checked_;    // this thread only
    std::thread thread_;
};

}  // namespace holdfast
