#include "sink/stream_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/start_thread.h"
#include "codec/event_writer.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds poll_interval{50};      // period of the deadline check, while the reader of a pipe is slow
constexpr milliseconds file_retry_pause{500};  // after a failed write to a file
constexpr std::size_t spare_buffers = 8;
constexpr std::size_t largest_spare = std::size_t{1} << 20;

bool is_regular(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// Returns true if the last line of the file is incomplete, after a crash. A file that cannot be read counts as
/// complete.
bool ends_in_torn_line(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return false;
    const UniqueFd again(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC));
    char last = '\n';
    return again.valid() && ::pread(again.get(), &last, 1, status.st_size - 1) == 1 && last != '\n';
}

bool is_same_file(int one, int other) {
    struct stat a {};
    struct stat b {};
    return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Opens without blocking: a FIFO without a reader is an error (ENXIO), not a reason to wait.
UniqueFd open_to_append(const std::string& path) {
    constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    return UniqueFd(::open(path.c_str(), flags, 0640));
}

Error cannot_open(const std::string& path, const std::string& other) {
    const int error = errno;
    const std::string failed = "cannot open the sink's file " + path + ": ";
    struct stat status {};
    const bool is_fifo = error == ENXIO && ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    if (is_fifo)
        return Error{failed + "no process reads this FIFO; start its reader first, or choose another " + other};
    return Error{failed + std::strerror(error) + "; make its directory writable for this user, or choose another " +
                 other};
}

/// Returns the remaining bytes, preceded by the written part of the line in progress.
std::string_view from_its_line(std::string_view all, std::string_view left) {
    const std::size_t done = all.size() - left.size();
    const std::size_t line_end = done == 0 ? std::string_view::npos : all.rfind('\n', done - 1);
    return all.substr(line_end == std::string_view::npos ? 0 : line_end + 1);
}

}  // namespace

/// Handles the events of one reactor. Writes lines into its own buffer, and passes the buffer on at the end of the
/// turn.
class StreamSink::Handler final : public EventHandler {
public:
    explicit Handler(StreamSink& sink) : sink_(sink) {}

    void on_connected(const ConnectedEvent& event) override {
        writer_.append_connected(batch_.bytes, event);
        ++batch_.events;
    }
    void on_identified(const IdentifiedEvent& event) override {
        writer_.append_identified(batch_.bytes, event);
        ++batch_.events;
    }
    void on_item(const ItemEvent& event) override {
        writer_.append_item(batch_.bytes, event);
        ++batch_.events;
    }
    void on_closed(const ClosedEvent& event) override {
        writer_.append_closed(batch_.bytes, event);
        ++batch_.events;
    }
    void on_bad_item(const BadItemEvent& event) override {
        if (!sink_.options_.bad_items) return;
        writer_.append_bad_item(batch_.bytes, event);
        ++batch_.events;
    }
    void on_turn_end() override {
        if (batch_.events > 0) sink_.hand_over(batch_);
    }
    bool ready() override { return sink_.has_room(batch_.bytes.size()); }

private:
    StreamSink& sink_;
    EventWriter writer_;
    Batch batch_;
};

Result<std::unique_ptr<StreamSink>> StreamSink::start(Options options) {
    UniqueFd file;
    if (!options.path.empty()) {
        file = open_to_append(options.path);
        if (!file.valid()) return cannot_open(options.path, "with --sink file:PATH");
    }
    return std::unique_ptr<StreamSink>(new StreamSink(std::move(options), std::move(file)));
}

StreamSink::StreamSink(Options options, UniqueFd file)
    : options_(std::move(options)),
      wanted_path_(options_.path),
      path_(options_.path),
      file_(std::move(file)),
      fd_(file_.valid() ? file_.get() : options_.descriptor),
      regular_file_(is_regular(fd_)),
      torn_((options_.follows_crash && !regular_file_) || ends_in_torn_line(fd_)),
      queue_bytes_(options_.queue_bytes) {
    writer_ = start_thread("sink", [this] { write_until_stopped(); });
}

StreamSink::~StreamSink() { stop(milliseconds(0)); }

std::unique_ptr<EventHandler> StreamSink::make_handler() { return std::make_unique<Handler>(*this); }

void StreamSink::hand_over(Batch& batch) {
    events_.fetch_add(batch.events, std::memory_order_relaxed);
    queued_bytes_.fetch_add(batch.bytes.size(), std::memory_order_relaxed);
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::exchange(batch, Batch{}));
        if (!spare_.empty()) {
            batch.bytes = std::move(spare_.back());
            spare_.pop_back();
        }
        wake = std::exchange(writer_waits_, false);
    }
    if (wake) wake_.notify_one();
}

Result<std::function<void()>> StreamSink::prepare_change(const SinkChange& change) {
    const std::string& path = change.path;
    auto file = std::make_shared<File>();
    {
        const std::lock_guard lock(mutex_);
        if (!options_.path.empty() && path != wanted_path_) file->path = path;
    }
    if (!file->path.empty()) {
        file->fd = open_to_append(path);
        if (!file->fd.valid()) return cannot_open(path, "path in [sink]");
    }
    return std::function<void()>([this, file, queue_bytes = change.queue_bytes] {
        queue_bytes_.store(queue_bytes, std::memory_order_relaxed);
        if (!file->fd.valid()) return;
        {
            const std::lock_guard lock(mutex_);
            wanted_path_ = file->path;
            queue_.emplace_back().go_on_in = std::make_unique<File>(std::move(*file));
            writer_waits_ = false;
        }
        wake_.notify_one();
    });
}

std::uint64_t StreamSink::stop(milliseconds timeout) {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        deadline_ = std::chrono::steady_clock::now() + timeout;
    }
    wake_.notify_one();
    if (writer_.joinable()) writer_.join();
    return events_.load() - written_.load();
}

void StreamSink::give_up() {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
}

SinkFigures StreamSink::figures() const {
    SinkFigures figures;
    figures.written = written_.load(std::memory_order_relaxed);
    figures.events = std::max(events_.load(std::memory_order_relaxed), figures.written);
    figures.bytes = bytes_.load(std::memory_order_relaxed);
    figures.full = !has_room(0);
    const std::lock_guard lock(mutex_);
    figures.error = error_;
    return figures;
}

void StreamSink::write_until_stopped() {
    while (take_batches()) {
        for (Batch& batch : taken_) {
            if (batch.go_on_in) take(std::move(*std::exchange(batch.go_on_in, nullptr)));
            const bool is_rewritten = static_cast<bool>(options_.rewrite);
            const Wrote wrote = is_rewritten ? write_all(options_.rewrite(batch.bytes)) : write_all(batch.bytes);
            if (wrote == Wrote::gave_up) return;
            queued_bytes_.fetch_sub(batch.bytes.size(), std::memory_order_relaxed);
            written_.fetch_add(batch.events, std::memory_order_relaxed);
        }
    }
}

/// Takes all waiting batches, in order; small ones become one write. Returns false if the sink was stopped and nothing
/// waits.
bool StreamSink::take_batches() {
    std::unique_lock lock(mutex_);
    for (Batch& batch : taken_) {
        if (spare_.size() >= spare_buffers || batch.bytes.capacity() > largest_spare) continue;
        batch.bytes.clear();
        spare_.push_back(std::move(batch.bytes));
    }
    taken_.clear();
    while (queue_.empty() && !stopping_) {
        writer_waits_ = true;
        wake_.wait(lock);
    }
    writer_waits_ = false;
    taken_.swap(queue_);
    return !taken_.empty();
}

StreamSink::Wrote StreamSink::write_all(const std::string_view all) {
    std::string_view bytes = all;
    while (!bytes.empty()) {
        if (broken_) return Wrote::gave_up;
        if (reopen_if_wanted()) bytes = from_its_line(all, bytes);
        if (!writable_soon()) {
            if (past_deadline()) return Wrote::gave_up;
            if (take_next_file()) bytes = from_its_line(all, bytes);
            continue;
        }
        // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)), so this thread can always be
        // stopped.
        const std::string_view next = torn_ ? std::string_view("\n") : bytes;
        const ssize_t wrote =
            ::write(fd_, next.data(), regular_file_ ? next.size() : std::min<std::size_t>(next.size(), PIPE_BUF));
        if (wrote >= 0) {
            if (!std::exchange(torn_, false)) bytes.remove_prefix(static_cast<std::size_t>(wrote));
            bytes_.fetch_add(static_cast<std::uint64_t>(wrote), std::memory_order_relaxed);
            note_recovery();
        } else if (errno != EINTR && errno != EAGAIN) {
            note_trouble(errno);
            if (past_deadline()) return Wrote::gave_up;
            if (take_next_file()) bytes = from_its_line(all, bytes);
        }
    }
    return Wrote::all;
}

bool StreamSink::writable_soon() const {
    if (regular_file_) return true;
    pollfd waiting{fd_, POLLOUT, 0};
    return ::poll(&waiting, 1, static_cast<int>(poll_interval.count())) > 0;
}

bool StreamSink::past_deadline() const {
    const std::lock_guard lock(mutex_);
    return given_up_ || std::chrono::steady_clock::now() >= deadline_;
}

/// Returns true if a new file has replaced the previous one.
bool StreamSink::reopen_if_wanted() {
    if (path_.empty() || !reopen_wanted_.exchange(false)) return false;
    UniqueFd fresh = open_to_append(path_);
    if (!fresh.valid()) {
        note_trouble(errno);  // the old file still accepts events
        return false;
    }
    if (is_same_file(fd_, fresh.get())) return false;  // same file: a line may be half written
    take({path_, std::move(fresh)});
    return true;
}

void StreamSink::take(File file) {
    path_ = std::move(file.path);
    file_ = std::move(file.fd);
    fd_ = file_.get();
    regular_file_ = is_regular(fd_);
    torn_ = ends_in_torn_line(fd_);
}

/// Switches to a new file from the waiting batches, because the old file fails. Returns false if there is none.
bool StreamSink::take_next_file() {
    const auto in = [this](std::vector<Batch>& batches) {
        for (Batch& batch : batches) {
            if (!batch.go_on_in) continue;
            take(std::move(*std::exchange(batch.go_on_in, nullptr)));
            return true;
        }
        return false;
    };
    if (in(taken_)) return true;
    const std::lock_guard lock(mutex_);
    return in(queue_);
}

std::string StreamSink::name() const { return path_.empty() ? "stdout" : path_; }

void StreamSink::note_trouble(int error) {
    std::string message = "cannot write events to " + name() + ": " + std::strerror(error);
    const bool final = path_.empty() && error == EPIPE;
    message += final ? "; start the gateway with a reader of its output, or with --sink file:PATH"
                     : "; devices wait until the sink can be written, and nothing is lost";
    std::unique_lock lock(mutex_);
    const bool news = std::exchange(error_, message) != message;
    if (!final) wake_.wait_for(lock, file_retry_pause, [this] { return stopping_; });
    lock.unlock();
    if (news && final && options_.on_broken) options_.on_broken(message);
    if (news && !final && options_.on_trouble) options_.on_trouble(message);
    broken_ = broken_ || final;
}

void StreamSink::note_recovery() {
    {
        const std::lock_guard lock(mutex_);
        if (error_.empty()) return;
        error_.clear();
    }
    if (options_.on_recovered) options_.on_recovered();
}

namespace {

class DiscardingHandler final : public EventHandler {
public:
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent&) override {}
    void on_closed(const ClosedEvent&) override {}
};

}  // namespace

std::unique_ptr<EventHandler> DiscardingSink::make_handler() { return std::make_unique<DiscardingHandler>(); }

}  // namespace holdfast
