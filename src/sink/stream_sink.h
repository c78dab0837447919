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

/// Writes events as lines of JSON to standard output or a file, on its own thread. Reactors pass one batch per turn and
/// never wait. When `queue_bytes` wait, its handlers are not ready, and devices wait. Retries a failed file without
/// limit; a closed standard output is final (`on_broken`). Ends by stop(), also from the destructor, after its
/// handlers.
class StreamSink final : public Sink {
public:
    struct Options {
        std::string path;     ///< of the file; empty: writes to `descriptor`
        int descriptor = -1;  ///< not owned
        /// A process before this one ended in the same pipe, perhaps within a line: an empty line comes first.
        bool follows_crash = false;
        std::size_t queue_bytes = 0;
        bool bad_items = false;  ///< writes an event for each of them
        /// Returns the lines to write, on the writer's thread. Empty: they stay as they are.
        std::function<std::string(std::string_view)> rewrite;
        /// Called once when writing begins to fail, on the writer's thread.
        std::function<void(const std::string& error)> on_trouble;
        std::function<void()> on_recovered;                       ///< once when writing succeeds again
        std::function<void(const std::string& error)> on_broken;  ///< once when no further write is possible
    };

    /// Opens the file for appending, created with mode 0640, and starts the writer.
    [[nodiscard]] static Result<std::unique_ptr<StreamSink>> start(Options options);
    StreamSink(const StreamSink&) = delete;
    StreamSink& operator=(const StreamSink&) = delete;
    ~StreamSink() override;

    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() override;
    std::uint64_t stop(std::chrono::milliseconds timeout) override;
    void give_up() override;
    /// Opens the path if it is a different file, without any other effect. The returned function makes the sink
    /// continue with that file. Earlier events go to the old file and later ones to the new one. If the old file fails,
    /// all waiting events go to the new one. The path is for a file only; the size of the queue for any sink. Any
    /// thread.
    [[nodiscard]] Result<std::function<void()>> prepare_change(const SinkChange& change) override;
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
        std::unique_ptr<File> go_on_in;  ///< without events: the file for the batches after it
    };
    enum class Wrote : std::uint8_t { all, gave_up };

    StreamSink(Options options, UniqueFd file);

    // Called by the handlers.
    void hand_over(Batch& batch);  ///< leaves an empty batch to fill
    [[nodiscard]] bool has_room(std::size_t more) const {
        return queued_bytes_.load(std::memory_order_relaxed) + more < queue_bytes_.load(std::memory_order_relaxed);
    }

    // Called by the writer.
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
    std::string wanted_path_;  // guarded by mutex_: file of the newest events
    std::string path_;         // from here on used by the running writer only
    UniqueFd file_;
    int fd_;
    bool regular_file_;
    bool torn_;  ///< the last line of the file is incomplete: begin a new one

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Batch> queue_;        // guarded by mutex_
    std::vector<std::string> spare_;  // guarded by mutex_: buffers to reuse
    bool writer_waits_ = false;       // guarded by mutex_
    bool stopping_ = false;           // guarded by mutex_
    std::string error_;               // guarded by mutex_
    bool given_up_ = false;           // guarded by mutex_
    // Guarded by mutex_.
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();

    std::atomic<std::size_t> queue_bytes_;
    std::atomic<std::size_t> queued_bytes_{0};
    std::atomic<std::uint64_t> events_{0};
    std::atomic<std::uint64_t> written_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<bool> reopen_wanted_{false};
    bool broken_ = false;       // writer only
    std::vector<Batch> taken_;  // writer only
    std::thread writer_;
};

}  // namespace holdfast
