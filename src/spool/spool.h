#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <holdfast/result.h>

#include "base/clock.h"
#include "spool/spool_clock.h"

namespace holdfast {

/// Position of an event in a spool: 1 for the first event ever appended, then consecutive. 0 is before the first.
using Position = std::uint64_t;

/// Limits on the number of remembered sessions. A forgotten session causes repeated items, never a lost one.
struct SessionBudget {
    std::uint64_t per_id = 8;  ///< of one id and kind; a new session replaces the least recently used one
    /// Maximum of all ids. Least recently used sessions are dropped first, unauthenticated before authenticated.
    std::uint64_t overall = 1'000'000;
};

struct SpoolOptions {
    std::string directory;  ///< created if it is missing, with mode 0700; its files have mode 0600
    std::chrono::milliseconds commit_interval{5};       ///< longest wait for events that share a commit
    std::size_t commit_bytes = std::size_t{256} << 10;  ///< size that ends the wait earlier
    /// Size of events to keep, without SQLite's logs and spool.db. Retention removes the oldest file first.
    std::uint64_t retain_bytes = std::uint64_t{10} << 30;
    std::chrono::milliseconds retain_age = std::chrono::hours(24 * 7);
    SessionBudget sessions;
    /// Groups that must receive events before retention removes them.
    std::vector<std::string> required_groups;
    std::function<void(const std::string& error)> on_trouble;  ///< once when writing begins to fail; the spool's thread
    std::function<void()> on_recovered;                        ///< once when writing succeeds again; the spool's thread
    std::function<void(const std::string& report)> on_quarantine;  ///< once for each damaged range; any thread
    /// Called after a step of the wall clock, on the maintenance thread.
    std::function<void(std::chrono::milliseconds by)> on_clock_step;
    std::function<ClockReading()> read_clocks;  ///< empty: read_system_clocks()
    /// Called once when reading begins to fail. The spool retries and moves no consumer. Any thread.
    std::function<void(const std::string& error)> on_read_trouble = {};
    std::function<void()> on_read_recovered = {};                   ///< once when reading succeeds again; any thread
    std::function<void(const std::string& report)> on_healed = {};  ///< damaged rows can be read again; any thread
    std::chrono::milliseconds start_timeout{15'000};                ///< total time for failing reads during open()
    /// Waits before open() repeats a failed read; returns false to end the start instead. Empty: sleeps.
    std::function<bool(std::chrono::milliseconds time)> pause_start = {};
};

/// Identity of one numbering of items. The same texts with and without proof are two sessions: an unauthenticated peer
/// with a device's id never changes the acknowledgements of the device.
struct SessionName {
    std::string id;
    std::string session;
    bool authenticated = false;

    friend bool operator==(const SessionName&, const SessionName&) = default;
    /// Orders unauthenticated sessions first.
    friend std::weak_ordering operator<=>(const SessionName& a, const SessionName& b) {
        return std::tie(a.authenticated, a.id, a.session) <=> std::tie(b.authenticated, b.id, b.session);
    }
};

/// The last number of a session that becomes durable with a batch.
struct Watermark {
    SessionName name;
    std::uint64_t seq = 0;
};

/// Whole lines, in order, that are appended and become durable together.
struct SpoolBatch {
    std::string lines;         ///< each event with its '\n'
    std::uint64_t events = 0;  ///< number of lines
    /// Number of consecutive events by listener, in order: {"devices", 200}, {"meters", 56}. The sum is `events`.
    std::vector<std::pair<std::string, std::uint64_t>> listeners;
    std::vector<Watermark> marks;
    std::function<void()> durable;  ///< called on the spool's thread when the batch is durable; may be empty
};

/// An event as it was appended.
struct SpooledEvent {
    Position position = 0;
    std::string_view listener;
    std::string_view line;  ///< without its '\n'
    WallTime committed_at;  ///< on the spool's clock
    /// Random number of its file; 0 if the file is from a version without epochs. A process never continues a file of
    /// another process. Positions that repeat after a restored snapshot, or in a copy of the spool, have different
    /// epochs.
    std::uint64_t epoch = 0;
};

/// Positions without events: damaged (quarantined), or removed by retention.
struct MissingRange {
    Position first = 0;
    Position last = 0;
    std::string why;
};

/// Consecutive events without a hole between them.
struct SpoolPage {
    std::vector<SpooledEvent> events;   ///< views into memory that `rows` owns
    std::vector<MissingRange> missing;  ///< between the requested position and the first event
    Position next_after = 0;            ///< argument of the next read()
    Position last = 0;                  ///< newest durable event at the time of the read
    std::vector<std::shared_ptr<const void>> rows;

    SpoolPage() = default;
    SpoolPage(SpoolPage&&) noexcept = default;
    SpoolPage& operator=(SpoolPage&&) noexcept = default;
};

/// A connection whose process ended without writing its `closed` event.
struct LostConnection {
    std::string conn;
    std::string connected;      ///< line of the connected event; empty: the table of open connections was damaged
    std::string identified;     ///< line of the identified event; empty if there was none
    std::string last_event_at;  ///< `at` of the latest event; empty if unknown
    std::optional<std::uint64_t> items;  ///< items up to that event
};

struct SpoolGroup {
    std::string name;
    Position position = 0;  ///< last event that the group received
    bool required = false;
    WallTime moved_at = {};
    std::string memo = {};         ///< text stored with the position; empty if none was stored or it was damaged
    std::uint64_t lag_events = 0;  ///< events newer than the position; only in SpoolStatus
};

/// A consumer's request to move its group. With `after`, the group moves only from that position.
struct GroupMove {
    Position position = 0;
    std::optional<Position> after = {};
    std::string consumer = {};  ///< unique name of the consumer; empty: unnamed
};

/// Number of sessions in the table, and of sessions dropped since the start.
struct SessionFigures {
    std::uint64_t authenticated = 0;
    std::uint64_t unauthenticated = 0;
    std::uint64_t evicted_authenticated = 0;    ///< dropped by the overall budget
    std::uint64_t evicted_unauthenticated = 0;  ///< dropped by the overall budget
    std::uint64_t replaced = 0;                 ///< replaced by a newer session of the same id
    std::uint64_t max = 0;                      ///< the overall budget
};

/// Time between the newest event and the start of this process.
struct TimeAway {
    std::chrono::milliseconds time{};
    bool certain = false;  ///< false: the machine restarted in between, and `time` relies on its wall clock
};

struct SpoolStatus {
    std::string id;                    ///< 16 hexadecimal digits, drawn when the spool was created
    std::string path = {};             ///< absolute path of its directory
    Position first = 0;                ///< oldest event that exists
    Position last = 0;                 ///< newest durable event
    Position inherited = 0;            ///< newest event when the spool was opened
    std::uint64_t events = 0;          ///< appended since start
    std::uint64_t waiting_events = 0;  ///< appended, not durable yet
    std::uint64_t waiting_bytes = 0;
    std::uint64_t commits = 0;
    std::uint64_t file_bytes = 0;        ///< size of the databases, with their logs and shared memory
    std::uint64_t keeper_rounds = 0;     ///< complete rounds of retention since start
    std::uint64_t quarantined_rows = 0;  ///< damaged ranges of kept positions that were not read well since
    std::uint64_t quarantined_events = 0;
    std::string read_error = {};         ///< why events cannot be read; empty while every requested event can be read
    std::uint64_t read_errors = 0;       ///< failed reads since start, before any retry
    std::chrono::milliseconds oldest{};  ///< age of the first event
    TimeAway away = {};
    std::string error = {};  ///< empty while writing succeeds
    SessionFigures sessions;
    std::vector<SpoolGroup> groups;
    std::uint64_t gateway_lost = 0;  ///< `closed` events that the sink wrote at start for earlier processes
};

/// The embedded durable log of events: SQLite files in WAL mode with synchronous = FULL, one row per commit. Owns the
/// files, the lock on their directory, a writer thread and a maintenance thread. Appending never waits; reading waits
/// for the disk, on any thread. Ends by stop(), which the destructor also calls. An interface, because tests of its
/// users need one that loses events, fails and goes back in time.
class Spool {
public:
    /// Opens or creates the spool. Fails if another process holds it, without permission, if the directory is not a
    /// spool, or if it is from a newer version.
    [[nodiscard]] static Result<std::unique_ptr<Spool>> open(SpoolOptions options);
    virtual ~Spool() = default;

    /// Appends a batch, in the order of the calls. Any thread. The caller bounds the waiting batches by
    /// waiting_bytes().
    virtual void append(SpoolBatch batch) = 0;
    [[nodiscard]] virtual std::size_t waiting_bytes() const = 0;  ///< cheap; any thread

    /// Passes the last durable number of the session to `answer`, once everything appended before the call is durable.
    /// `answer` runs on the spool's thread.
    virtual void look_up(SessionName session, std::function<void(std::uint64_t seq)> answer) = 0;

    /// Returns events after `after`: at least one if any exists, at most `max_events`, and at most `max_bytes` beyond
    /// the first. Fails if the database cannot be read.
    [[nodiscard]] virtual Result<SpoolPage> read(Position after, std::size_t max_events, std::size_t max_bytes) = 0;
    /// Returns the time on the clock of `committed_at`, which steps of the wall clock do not change. Any thread.
    [[nodiscard]] virtual WallTime now() const = 0;
    /// Waits for an event after `after`, at most `timeout`. Returns whether one exists.
    virtual bool wait_for(Position after, std::chrono::milliseconds timeout) = 0;

    [[nodiscard]] virtual std::vector<SpoolGroup> groups() = 0;
    /// Sets the position of a group, which is durable on return. Creates the group with its first position. Fails for a
    /// position beyond the newest event, for an invalid name, or if the disk fails. A name is 1 to 64 of A-Z a-z 0-9 _
    /// . -.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, Position position) = 0;
    /// Sets the position and stores the consumer's memo in the same transaction: at most 4 KiB of text.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, Position position,
                                                            const std::string& memo) = 0;
    /// Moves the group if its position is still `after`, because two consumers of one group would skip each other's
    /// events. Returns nullopt after a move, or the current position if another consumer has moved the group since. A
    /// consumer may repeat a move whose answer was lost.
    [[nodiscard]] Result<std::optional<Position>> move_group(const std::string& group, const GroupMove& move);
    /// Removes a group. Fails if it does not exist or is required.
    [[nodiscard]] virtual std::optional<Error> remove_group(const std::string& group) = 0;

    /// Visits each connection that earlier processes left open, once. Must be called before the first append. Searches
    /// for their latest events for at most 2 s. Leaves out those of which `is_kept` returns true. The latest
    /// events are unknown in that call, which may come twice.
    virtual void visit_lost(const std::function<void(const LostConnection&)>& visit,
                            const std::function<bool(const LostConnection&)>& is_kept = {}) = 0;
    /// Returns true if a connection's `connected` event is in the spool and its `closed` event is not. Any thread.
    [[nodiscard]] virtual bool is_open(const std::string& conn) = 0;
    /// Records that the connection needs no `closed` event here. Any thread; durable within about a second.
    virtual void forget_lost(const std::string& conn) = 0;

    /// Applies the intervals, retention and required groups of a new configuration.
    virtual void change(const SpoolOptions& options) = 0;

    [[nodiscard]] virtual SpoolStatus status() = 0;

    /// Writes the waiting events, for at most `timeout`. Returns the number of events that could not be written.
    virtual std::uint64_t stop(std::chrono::milliseconds timeout) = 0;
    virtual void give_up() = 0;  ///< ends the wait of a present or later stop(); any thread

private:
    std::mutex moving_;
    std::map<std::string, std::string> latest_movers_;  // guarded by moving_: consumers by group, in this process
};

}  // namespace holdfast
