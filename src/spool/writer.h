#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "spool/manifest.h"
#include "spool/open_book.h"
#include "spool/open_files.h"
#include "spool/segment_file.h"
#include "spool/segment_index.h"
#include "spool/session_table.h"
#include "spool/spool.h"
#include "spool/spool_clock.h"

namespace holdfast {

/// Commits appended batches, one row at a time, on the spool's thread, and retries failed commits without limit. Owns
/// the queue and the current file. Ends by stop().
class SpoolWriter {
public:
    struct Parts {
        const SpoolDirectory& directory;
        SegmentIndex& book;
        SessionBook& sessions;
        OpenBook& open;
        Manifest& manifest;
        const SpoolClock& clock;
        std::function<void()> segment_ended;  ///< request to seal the ended file
        OpenFiles& files;
        /// Calls `work` while no reader has that file open.
        std::function<void(Position segment, const std::function<void()>& work)> without_readers;
        std::function<void(const std::string& report)> files_replaced;
        std::function<void(const SegmentIndex::Segment& segment)> segment_lost;
    };
    struct Figures {
        std::uint64_t events = 0;
        std::uint64_t durable = 0;
        std::uint64_t commits = 0;
        std::string error;
    };

    SpoolWriter(Parts parts, const SpoolOptions& options);
    ~SpoolWriter();

    // Any thread may call these.
    void append(SpoolBatch batch);
    void look_up(SessionName session, std::function<void(std::uint64_t)> answer);
    [[nodiscard]] std::size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
    void change(const SpoolOptions& options);
    void end_segment();  ///< the next row begins a new file
    /// Requests the replacement of removed files. The writer commits nothing before the new files are in place.
    void replace_files();
    [[nodiscard]] Figures figures() const;
    std::uint64_t stop(std::chrono::milliseconds timeout);
    void give_up();

private:
    using Time = std::chrono::steady_clock::time_point;
    struct Entry {
        SpoolBatch batch;
        Time arrived;
        std::size_t bytes = 0;
    };
    struct Question {
        std::uint64_t behind = 0;  // number of batches that must be committed first
        SessionName session;
        std::function<void(std::uint64_t)> answer;
    };
    /// Batches that are committed together.
    struct Row {
        std::string lines;
        std::uint64_t events = 0;
        ListenerRuns listeners;
        std::vector<Watermark> marks;
        std::vector<std::function<void()>> durable;
        std::uint64_t batches = 0;
        std::size_t bytes = 0;
        void clear();
        void add(SpoolBatch batch);
    };

    void run();
    [[nodiscard]] bool collect();
    [[nodiscard]] bool due() const;
    [[nodiscard]] bool commit();
    [[nodiscard]] std::optional<DbError> try_commit();
    [[nodiscard]] std::optional<DbError> write_row();
    [[nodiscard]] std::optional<DbError> open_segment();
    void close_segment();
    [[nodiscard]] std::string segment_path() const { return parts_.directory.segment_path(segment_->first()); }
    [[nodiscard]] bool replace_files_patiently();
    [[nodiscard]] std::optional<DbError> try_to_replace_files();
    [[nodiscard]] std::optional<DbError> replace_segment();
    [[nodiscard]] std::optional<DbError> copy_segment(Position last);
    void finish_segment();
    [[nodiscard]] std::optional<DbError> save_marks();
    void tell();
    void answer_questions();
    void put_back(Question question, const DbError& error);
    void note_answers();
    [[nodiscard]] bool has_question(Time now) const;
    [[nodiscard]] Time next_wake() const;
    void tidy_up();
    [[nodiscard]] bool wait_out(const DbError& error);
    void note_recovery();

    const Parts parts_;
    const std::function<void(const std::string&)> on_trouble_;
    const std::function<void()> on_recovered_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Entry> queue_;                      // guarded by mutex_
    std::deque<Question> questions_;               // guarded by mutex_
    Time questions_at_;                            // guarded by mutex_: time of the next attempt
    std::string question_error_;                   // guarded by mutex_: why they wait
    std::chrono::milliseconds question_pause_{0};  // this thread only
    std::size_t queue_bytes_ = 0;                  // guarded by mutex_
    std::uint64_t appended_ = 0;                   // guarded by mutex_: batches
    std::uint64_t committed_ = 0;                  // guarded by mutex_: batches
    enum class Waits : std::uint8_t { no, for_anything, for_more } waits_ = Waits::no;  // guarded by mutex_
    bool stopping_ = false;                                                             // guarded by mutex_
    bool given_up_ = false;                                                             // guarded by mutex_
    Time deadline_ = Time::max();                                                       // guarded by mutex_
    std::string error_;                                                                 // guarded by mutex_
    std::chrono::milliseconds interval_;                                                // guarded by mutex_
    std::size_t commit_bytes_;                                                          // guarded by mutex_
    std::atomic<std::uint64_t> segment_bytes_;
    std::atomic<std::chrono::milliseconds> segment_age_;

    std::atomic<std::size_t> waiting_bytes_{0};
    std::atomic<std::uint64_t> events_{0};
    std::atomic<std::uint64_t> durable_{0};
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<bool> end_segment_{false};
    std::atomic<bool> files_missing_{false};

    // Members below are used by this thread only.
    Row row_;
    std::optional<SegmentWriter> segment_;
    std::optional<Position> rowless_;  // first position of the latest file if it closed without a durable row
    std::size_t damaged_reads_ = 0;    // consecutive damaged reads of the removed file
    WallTime segment_began_;
    std::thread thread_;
};

}  // namespace holdfast
