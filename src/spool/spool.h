#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <holdfast/result.h>

#include "base/clock.h"
#include "spool/position.h"
#include "spool/spool_clock.h"

namespace holdfast {

/// How many sessions of devices the spool remembers. A forgotten session costs repetitions, and never an item.
struct SessionBudget {
    std::uint64_t per_id = 8;           ///< of one id, of each kind: the least recently used are replaced
    std::uint64_t overall = 1'000'000;  ///< the least recently used go first, unauthenticated before authenticated ones
};

struct SpoolOptions {
    std::string directory;  ///< made if it is missing, and given mode 0700; the files in it have 0600
    std::chrono::milliseconds commit_interval{5};       ///< what arrives within it shares a commit
    std::size_t commit_bytes = std::size_t{256} << 10;  ///< or so much, whichever comes first
    /// Of events, without SQLite's logs and spool.db; the oldest go first, one file at a time.
    std::uint64_t retain_bytes = std::uint64_t{10} << 30;
    std::chrono::milliseconds retain_age = std::chrono::hours(24 * 7);
    SessionBudget sessions;
    /// Events stay until each of these has had them, whatever retention says.
    std::vector<std::string> required_groups;
    std::function<void(const std::string& error)> on_trouble;      ///< once when it begins to fail; the spool's thread
    std::function<void()> on_recovered;                            ///< once when it goes on; the spool's thread
    std::function<void(const std::string& report)> on_quarantine;  ///< something is damaged: once for each; any thread
    std::function<void(std::chrono::milliseconds by)>
        on_clock_step;                          ///< the wall clock was stepped; the spool's thread
    std::function<ClockReading()> read_clocks;  ///< empty: read_system_clocks()
    /// Once when reading begins to fail, which is tried again and moves nobody; any thread.
    std::function<void(const std::string& error)> on_read_trouble = {};
    std::function<void()> on_read_recovered = {};                   ///< once when it works again; any thread
    std::function<void(const std::string& report)> on_healed = {};  ///< damaged rows can be read again; any thread
    std::chrono::milliseconds start_patience{15'000};               ///< for reads that fail while it is opened
    /// Waits before such a read is repeated; returns false if the start is to end instead. Empty: sleeps.
    std::function<bool(std::chrono::milliseconds time)> pause_start = {};
};

/// The identity of a run of numbers. The same texts with and without proof are two sessions: what a stranger says under
/// a device's id never changes what the device is told.
struct SessionName {
    std::string id;
    std::string session;
    bool authenticated = false;

    friend bool operator==(const SessionName&, const SessionName&) = default;
    /// Unauthenticated sessions come first.
    friend std::weak_ordering operator<=>(const SessionName& a, const SessionName& b) {
        return std::tie(a.authenticated, a.id, a.session) <=> std::tie(b.authenticated, b.id, b.session);
    }
};

/// The last number of a device's session that a batch takes with it.
struct SessionMark {
    SessionName name;
    std::uint64_t seq = 0;
};

/// What is appended together and becomes durable together: whole lines, in order.
struct SpoolBatch {
    std::string lines;         ///< each event with its '\n'
    std::uint64_t events = 0;  ///< lines
    /// Whose events these are, in order: {"devices", 200}, {"meters", 56}. Sums up to `events`.
    std::vector<std::pair<std::string, std::uint64_t>> listeners;
    std::vector<SessionMark> marks;
    std::function<void()> durable;  ///< called on the spool's thread when it is; may be empty
};

/// One event as it was appended.
struct SpooledEvent {
    Position position = 0;
    std::string_view listener;
    std::string_view line;  ///< without its '\n'
    WallTime committed_at;  ///< on the spool's clock
    /// Drawn when its file was made; 0: by a version that drew none. A process never continues a file of another one,
    /// so positions that repeat after a restored snapshot, or in a copy of the spool, have other epochs.
    std::uint64_t epoch = 0;
};

/// Positions that are gone: they were damaged (quarantined), or retention has removed them.
struct MissingRange {
    Position first = 0;
    Position last = 0;
    std::string why;
};

/// A stretch of events with no hole in it.
struct SpoolPage {
    std::vector<SpooledEvent> events;   ///< views into what `rows` own
    std::vector<MissingRange> missing;  ///< between the position asked for and the first event
    Position next_after = 0;            ///< go on with this
    Position last = 0;                  ///< the newest durable event at the time
    std::vector<std::shared_ptr<const void>> rows;

    SpoolPage() = default;
    SpoolPage(SpoolPage&&) noexcept = default;
    SpoolPage& operator=(SpoolPage&&) noexcept = default;
};

/// A connection whose process ended without writing its `closed` event.
struct LostConnection {
    std::string conn;
    std::string connected;               ///< its event's line; empty: the table of open connections was damaged
    std::string identified;              ///< the same; empty: it had none
    std::string last_event_at;           ///< as the latest event says it; empty: not known
    std::optional<std::uint64_t> items;  ///< up to that event
};

struct SpoolGroup {
    std::string name;
    Position position = 0;  ///< it has had everything up to here
    bool required = false;
    WallTime moved_at;
    std::string memo = {};  ///< what its consumer stored with the position; empty: nothing, or it was damaged
};

/// Sessions in the table, and what the budget has cost since the start.
struct SessionFigures {
    std::uint64_t authenticated = 0;
    std::uint64_t unauthenticated = 0;
    std::uint64_t evicted_authenticated = 0;    ///< by the budget for all
    std::uint64_t evicted_unauthenticated = 0;  ///< by the budget for all
    std::uint64_t replaced = 0;                 ///< by a newer session of the same id
    std::uint64_t most = 0;                     ///< the budget for all
};

/// Time between the newest event and the start of this process.
struct TimeAway {
    std::chrono::milliseconds time{};
    bool certain = false;  ///< false: the machine was started in between, and `time` relies on its wall clock
};

struct SpoolStatus {
    std::string id;                    ///< drawn when the spool was made: 16 hexadecimal digits
    Position first = 0;                ///< the oldest event that is still there
    Position last = 0;                 ///< the newest durable one
    Position inherited = 0;            ///< the newest that was there when it was opened
    std::uint64_t events = 0;          ///< appended since start
    std::uint64_t waiting_events = 0;  ///< of those, not durable yet
    std::uint64_t waiting_bytes = 0;
    std::uint64_t commits = 0;
    std::uint64_t file_bytes = 0;        ///< of the databases, with their logs and shared memory
    std::uint64_t keeper_rounds = 0;     ///< how often retention has been looked after since start
    std::uint64_t quarantined_rows = 0;  ///< ranges of kept positions that are damaged, and were not read well since
    std::uint64_t quarantined_events = 0;
    std::string read_error = {};         ///< why events cannot be read; empty while all that was asked for can
    std::uint64_t read_errors = 0;       ///< failed reads since start, before they were tried again
    std::chrono::milliseconds oldest{};  ///< age of the first event
    TimeAway away;
    std::string error;  ///< empty while it can write
    SessionFigures sessions;
    std::vector<SpoolGroup> groups;
};

/// The embedded durable log of events: SQLite files in WAL mode with synchronous = FULL, one row for each commit. Owns
/// the files, the lock on their directory, a thread that writes and one that keeps house. Appending never waits;
/// reading is for any thread and waits for the disk. Ends by stop(), which the destructor calls too.
class Spool {
public:
    /// Makes or opens it. Errors: another process has it, no permission, not a spool, from a newer version.
    [[nodiscard]] static Result<std::unique_ptr<Spool>> open(SpoolOptions options);
    virtual ~Spool() = default;

    /// Any thread; in the order of the calls. Bounding what waits is the caller's business: see waiting_bytes().
    virtual void append(SpoolBatch batch) = 0;
    [[nodiscard]] virtual std::size_t waiting_bytes() const = 0;  ///< cheap; any thread

    /// The last durable number of that session, once all that was appended before is durable; on the spool's thread.
    virtual void look_up(SessionName session, std::function<void(std::uint64_t seq)> answer) = 0;

    /// Events behind `after`: at least one if there is one, at most so many, and no more bytes than that beyond the
    /// first. Errors: the database cannot be read.
    [[nodiscard]] virtual Result<SpoolPage> read(Position after, std::size_t most_events, std::size_t most_bytes) = 0;
    /// The clock that `committed_at` is on. Steps of the wall clock do not move it. Any thread.
    [[nodiscard]] virtual WallTime now() const = 0;
    /// Until there is one behind `after`, at most so long; whether there is.
    virtual bool wait_for(Position after, std::chrono::milliseconds patience) = 0;

    [[nodiscard]] virtual std::vector<SpoolGroup> groups() = 0;
    /// Durable when it returns. A group comes into being with its first position. Errors: a position beyond the newest
    /// event, a name that is not 1 to 64 of A-Z a-z 0-9 _ . -, the disk.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, Position position) = 0;
    /// The same, and stores the consumer's memo in the same transaction: at most 4 KiB of text.
    [[nodiscard]] virtual std::optional<Error> set_position(const std::string& group, Position position,
                                                            const std::string& memo) = 0;
    /// Errors: there is none of that name, or it is required.
    [[nodiscard]] virtual std::optional<Error> remove_group(const std::string& group) = 0;

    /// Visits the connections that earlier processes left open in it, each once. Before the first append. Looks for
    /// their latest events for at most 2 s.
    virtual void visit_lost(const std::function<void(const LostConnection&)>& visit) = 0;
    /// Returns true if a connection's `connected` event is in the spool and its `closed` event is not. Any thread.
    [[nodiscard]] virtual bool is_open(const std::string& conn) = 0;
    /// Takes note that the connection needs no `closed` event here. Any thread; durable within about a second.
    virtual void forget_lost(const std::string& conn) = 0;

    /// Of a new configuration: intervals, retention, required groups.
    virtual void change(const SpoolOptions& options) = 0;

    [[nodiscard]] virtual SpoolStatus status() = 0;

    /// Writes what waits, for at most `patience`; the number of events that it could not write.
    virtual std::uint64_t stop(std::chrono::milliseconds patience) = 0;
    virtual void give_up() = 0;  ///< any thread: a stop() under way, or to come, waits no longer
};

}  // namespace holdfast
