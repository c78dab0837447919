#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "spool/control.h"
#include "spool/open_book.h"
#include "spool/open_files.h"
#include "spool/reader.h"
#include "spool/segment_book.h"
#include "spool/session_book.h"
#include "spool/spool_clock.h"
#include "spool/writer.h"

namespace holdfast {

/// Keeps house, about once a second, on a thread of its own: saves the sessions' numbers, seals files that have ended,
/// removes those that retention does not want. Ends by stop().
class SpoolKeeper {
public:
    struct Parts {
        const SpoolDirectory& directory;
        SegmentBook& book;
        SessionBook& sessions;
        OpenBook& open;
        Control& control;
        SpoolReader& reader;
        SpoolClock& clock;
        std::function<void()> end_segment;  ///< the current one should go
        OpenFiles& files;
        std::function<void()> files_missing;  ///< some that are open, or the lock
        std::function<void(const SegmentBook::Segment& segment)> segment_lost;
    };

    SpoolKeeper(Parts parts, const SpoolOptions& options);
    ~SpoolKeeper();

    void change(const SpoolOptions& options);
    void hurry();  ///< there is something to do now
    [[nodiscard]] std::string error() const;
    [[nodiscard]] std::uint64_t file_bytes() const;  ///< of all files, with their logs
    /// How often it has gone through all of it.
    [[nodiscard]] std::uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
    /// Does it all once more, and ends. After the writer.
    void stop();

private:
    void run();
    void look_at_clock();
    void look_at_files();
    void keep(bool closing);
    void save(bool closing);
    [[nodiscard]] std::chrono::milliseconds session_age() const;
    void seal();
    void retain();
    [[nodiscard]] std::uint64_t event_bytes(const SegmentBook::Segment& segment) const;
    void look_again();
    [[nodiscard]] bool remove_oldest(const SegmentBook::Segment& oldest);
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
    std::uint64_t reads_due_ = 0;  // the thread's: the round of the next look at what could not be read
    unsigned reads_failed_ = 0;    // the thread's: looks in a row that ended with such
    Position looked_at_ = 0;       // the thread's: of the quarantine
    Position saved_ = 0;           // the thread's: complete in the control file
    WallTime saved_at_;            // the thread's
    WallTime sessions_looked_at_;  // the thread's
    std::thread thread_;
};

}  // namespace holdfast
