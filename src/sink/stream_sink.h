#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"
#include "sink/sink.h"

namespace holdfast {

/// Writes events as lines of JSON to a descriptor: standard output or a file. Reactors hand over a batch a turn and
/// never wait; a thread of its own writes. When `queue_bytes` wait, its handlers say that they are not ready, and
/// devices wait. A file that cannot be written is tried again until it can; a closed standard output is the end:
/// `on_broken` is called. Ends by stop(), which the destructor calls too; handlers must be gone by then.
class StreamSink final : public Sink {
public:
    struct Options {
        std::string path;     ///< of a file; empty: `descriptor` is used
        int descriptor = -1;  ///< not owned
        std::size_t queue_bytes = 0;
        std::function<void(const std::string& error)>
            on_trouble;                                           ///< once when writing begins to fail; writer's thread
        std::function<void()> on_recovered;                       ///< once when it goes on
        std::function<void(const std::string& error)> on_broken;  ///< there will be no more; once
    };

    /// Opens the file (appending, created with mode 0640) and starts the writer.
    [[nodiscard]] static Result<std::unique_ptr<StreamSink>> start(Options options);
    StreamSink(const StreamSink&) = delete;
    StreamSink& operator=(const StreamSink&) = delete;
    ~StreamSink() override;

    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() override;
    std::uint64_t stop(std::chrono::milliseconds patience) override;
    void give_up() override;
    /// Opens `path` if that is another, and changes nothing yet. What it returns makes the sink go on with it: events
    /// taken over before that go to the old file, later ones to the new; should the old one refuse them, all that wait
    /// go to the new one. Only for a file; the queue's size for any. Any thread.
    [[nodiscard]] Result<std::function<void()>> prepare_change(const std::string& path, std::size_t queue_bytes);
    void reopen() override { reopen_wanted_.store(true); }  ///< takes effect before the next write
    [[nodiscard]] SinkFigures figures() const override;

private:
    class Handler;
    struct File {
        std::string path;
        UniqueFd fd;
    };
    struct Batch {
        std::string bytes;
        std::uint64_t events = 0;
        std::unique_ptr<File> go_on_in;  ///< no events, but where those behind it go
    };
    enum class Wrote : std::uint8_t { all, gave_up };

    StreamSink(Options options, UniqueFd file);

    // Handlers' side.
    void hand_over(Batch& batch);  ///< leaves an empty one to fill
    [[nodiscard]] bool has_room(std::size_t more) const {
        return queued_bytes_.load(std::memory_order_relaxed) + more < queue_bytes_.load(std::memory_order_relaxed);
    }

    // The writer's side.
    void write_until_stopped();
    [[nodiscard]] bool take_batches();
    [[nodiscard]] Wrote write_all(std::string_view all);
    [[nodiscard]] bool writable_soon() const;
    [[nodiscard]] bool past_deadline() const;
    [[nodiscard]] bool reopen_if_wanted();
    void take(File file);
    [[nodiscard]] bool take_next_file();
    void note_trouble(int error);
    void note_recovery();
    [[nodiscard]] std::string name() const;

    const Options options_;
    std::string wanted_path_;  // guarded by mutex_: where the newest events go
    std::string path_;         // from here on the writer's, once it runs
    UniqueFd file_;
    int fd_;
    bool regular_file_;
    bool torn_;  ///< the last line of the file has no end: begin a new one

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Batch> queue_;        // guarded by mutex_
    std::vector<std::string> spare_;  // guarded by mutex_: buffers to reuse
    bool writer_waits_ = false;       // guarded by mutex_
    bool stopping_ = false;           // guarded by mutex_
    std::string error_;               // guarded by mutex_
    bool given_up_ = false;           // guarded by mutex_
    std::chrono::steady_clock::time_point deadline_ =
        std::chrono::steady_clock::time_point::max();  // guarded by mutex_

    std::atomic<std::size_t> queue_bytes_;
    std::atomic<std::size_t> queued_bytes_{0};
    std::atomic<std::uint64_t> events_{0};
    std::atomic<std::uint64_t> written_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<bool> reopen_wanted_{false};
    bool broken_ = false;       // writer's
    std::vector<Batch> taken_;  // writer's
    std::thread writer_;
};

/// Takes events and forgets them: the sink `none`.
[[nodiscard]] std::unique_ptr<EventHandler> make_discarding_handler();

}  // namespace holdfast
