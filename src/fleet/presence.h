#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <holdfast/status.h>

#include "fleet/record.h"
#include "model/takeover_backoff.h"

namespace holdfast {

/// Maps a few different names, which very many entries share, to small numbers. Never shrinks. From the 65,535th on, a
/// name reads back as "?". One thread.
class NameTable {
public:
    using Number = std::uint16_t;

    NameTable() { static_cast<void>(number_of("")); }

    [[nodiscard]] Number number_of(std::string_view name) {
        const auto known = numbers_.find(name);
        if (known != numbers_.end()) return known->second;
        if (names_.size() >= std::numeric_limits<Number>::max()) return overflow;
        names_.emplace_back(name);
        const auto number = static_cast<Number>(names_.size() - 1);
        numbers_.emplace(names_.back(), number);
        return number;
    }
    [[nodiscard]] const std::string& text(Number number) const {
        static const std::string unknown = "?";
        return number < names_.size() ? names_[number] : unknown;
    }

private:
    static constexpr Number overflow = std::numeric_limits<Number>::max();

    std::deque<std::string> names_;  // a deque, so that names do not move
    std::unordered_map<std::string_view, Number> numbers_;
};

/// A connection of a device, as its own gateway knows it.
struct HeldDevice {
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    WallTime since;
    Identity identity = Identity::claimed;
    WallTime accepted = {};  ///< time of establishment by this gateway's clock; zero: unknown
    bool ended = false;      ///< its peer had shut it down when it stated the id
};

/// A compare-and-set of the presence bucket.
struct PresencePut {
    std::string id;
    PresenceRecord record;
    std::uint64_t expected = 0;  ///< revision of the key; 0: no record
};

/// A connection of a lost gateway, whose end only this gateway reports.
struct LostLife {
    std::string id;
    PresenceRecord record;  ///< as it was while the connection was open
};

/// Work for the caller besides puts.
struct PresenceTasks {
    std::vector<ConnectionId> superseded;  ///< own connections: another gateway holds the device
    /// Own connections without proof: another gateway's connection has proved the id.
    std::vector<ConnectionId> denied;
    std::vector<LostLife> lost;         ///< to be reported as closed, gateway_lost
    std::vector<std::string> returned;  ///< own devices that others had reported as lost: to be reported as connected
    std::vector<DuplicateDevice> duplicates;  ///< delayed takeovers between gateways
    [[nodiscard]] bool empty() const {
        return superseded.empty() && denied.empty() && lost.empty() && returned.empty() && duplicates.empty();
    }
};

/// Location of every device of the fleet: the content of the bucket, and its intended content for this gateway's
/// devices. Proof, then the order of establishment, then revisions decide which connection holds a device. An `online`
/// record of this gateway has a held connection, or is closed within moments. Pure; one thread at a time.
class Presence {
public:
    static constexpr std::size_t default_max_ended = 10'000;

    /// Keeps at most `max_ended` closed records of unauthenticated connections per gateway, because any peer can
    /// invent an id.
    Presence(std::string self, std::uint32_t run, std::size_t max_ended = default_max_ended)
        : self_(std::move(self)), run_(run), max_ended_(max_ended) {}

    /// Minimum lead of another gateway's connection over a claim of ours before the claim counts as older.
    static constexpr std::chrono::milliseconds clock_error{1'000};
    /// Time after which such a claim ends, if the other connection still exists.
    static constexpr std::chrono::seconds until_superseded{3};
    /// Uncertainty of the gateways' clocks: the order of two connections that were established within it is unknown.
    static constexpr std::chrono::milliseconds order_error{200};
    /// Time for which the losing connection of such a contest is kept: a device that moves closes the earlier one
    /// itself.
    static constexpr std::chrono::milliseconds contested_for{1'000};
    /// Time after which the record of a superseded connection is closed, unless a newer record replaces it.
    static constexpr std::chrono::milliseconds orphaned_after{1'000};

    /// Sets the time of all calls until the next set_time(). Before the first call, time decides no claim.
    void set_time(SteadyTime steady, WallTime wall) {
        now_ = steady;
        wall_now_ = wall;
    }
    /// Records a beat of another gateway that has just arrived, with the time of its clock.
    void heard_clock(const std::string& gateway, std::uint32_t run, WallTime its, WallTime ours);
    /// Repeats waiting claims; `lives` returns whether a gateway's beats arrive.
    void step(const std::function<bool(const std::string& gateway)>& lives);

    // Events of this gateway's own devices.
    void here(const std::string& id, const HeldDevice& held);
    void gone(const std::string& id, ConnectionId conn, std::optional<CloseReason> reason, WallTime at);

    // Content of the bucket. Known revisions are ignored.
    void begin_snapshot();
    void saw(const std::string& id, const PresenceRecord& record, std::uint64_t revision);
    void end_snapshot();
    void removed(const std::string& id, std::uint64_t revision);  ///< 0: a lookup found no record

    // Puts and their results.
    [[nodiscard]] std::vector<PresencePut> take_puts(std::size_t max);
    /// Time between a record's end in the bucket and its purge. A watch never delivers a record that was purged before,
    /// and a gateway whose watch lags more starts a new one.
    static constexpr std::chrono::seconds purged_after{10};
    /// Returns the records above the budget, with the revisions up to which the caller purges them.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> take_purges(SteadyTime now, std::size_t max);
    void landed(const std::string& id, std::uint64_t revision);
    void refused(const std::string& id);  ///< the bucket has another revision
    void failed(const std::string& id);   ///< outcome unknown: put again

    // State of other gateways.
    void lose(const std::string& gateway, WallTime now);
    /// Records that the gateway beats in this run. The gateway itself saw and reported the connections of devices that
    /// moved from it to here before `before`.
    void beats(const std::string& gateway, std::uint32_t run, WallTime before);
    void stopped(const std::string& gateway);
    /// Reports devices that have moved here from a gateway for which lose() was called, since that call.
    void still_lost(const std::string& gateway) {
        report_displaced(gateway, [](std::uint32_t) { return true; });
    }

    [[nodiscard]] PresenceTasks take_tasks() { return std::exchange(tasks_, {}); }
    /// Puts the record of a device again after its lookup. take_unresolved() returns the devices to look up. Their put
    /// was refused or failed, and no newer record has been seen.
    void retry(const std::string& id);
    [[nodiscard]] std::vector<std::string> take_unresolved() { return std::exchange(unresolved_, {}); }

    struct Found {
        PresenceRecord record;
        std::uint64_t revision = 0;
    };
    [[nodiscard]] std::optional<Found> find(const std::string& id) const;
    /// Result of an audit: the number of corrected records, and devices whose connection here is unknown.
    struct Audit {
        std::size_t corrected = 0;
        std::vector<std::pair<std::string, ConnectionId>> unknown;
    };
    /// Compares about one `share`th of all records with the connections that the gateway holds; `here` returns the
    /// connection of a device. Corrects a record that differs in two audits `audit_again` apart.
    [[nodiscard]] Audit audit(std::size_t share,
                              const std::function<std::optional<ConnectionId>(const std::string& id)>& here);
    static constexpr std::chrono::seconds audit_again{2};
    void for_each(const std::function<void(const std::string& id, const PresenceRecord&)>& visit) const;
    [[nodiscard]] std::vector<std::string> held_ids() const;
    /// Forgets records that this gateway saw closed before `before`. Returns those that this gateway must purge, with
    /// their revisions. The time in the record does not count: a step of a wall clock makes no record old.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> forget(
        SteadyTime before, std::size_t max, const std::function<bool(const std::string& gateway)>& lives);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t held() const { return held_; }
    [[nodiscard]] std::size_t unsettled() const { return dirty_.size() + marks_.size() + flights_.size(); }
    [[nodiscard]] std::size_t in_flight() const { return flights_.size(); }
    /// Returns the number of closed records of this gateway's unauthenticated connections.
    [[nodiscard]] std::size_t ended() const;
    [[nodiscard]] std::size_t max_ended() const { return max_ended_; }
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
    [[nodiscard]] bool complete() const { return complete_; }  ///< a whole snapshot has been read

private:
    struct Entry {
        ConnectionId conn;
        std::uint64_t revision = 0;  // in the bucket
        Endpoint peer;
        std::uint32_t run = 0;
        WallTime since;
        WallTime closed_at;
        SteadyTime seen_closed;  // first time, at this gateway
        WallTime accepted;       // by the clock of its gateway
        WallTime accepted_here;  // by our clock, or later; WallTime::min(): unknown
        NameTable::Number gateway = 0;
        NameTable::Number listener = 0;
        NameTable::Number by = 0;
        std::uint8_t reason = no_reason;
        std::uint8_t contests = 0;  // number of times its connection has taken the device back
        bool online : 1 = false;
        bool held : 1 = false;     // by this gateway, in the connection that `online` describes
        bool dirty : 1 = false;    // the bucket is not up to date
        bool claimed : 1 = false;  // its connection was in the bucket: a connection that replaced it had seen it
        bool seen : 1 = false;     // in the present snapshot
        Identity identity : 2 = Identity::claimed;
        bool drop : 1 = false;          // the budget removes it: purged once the bucket has its end
        bool may_be_there : 1 = false;  // a put failed, but the bucket may contain it
    };
    struct Ended {
        std::string id;
        ConnectionId conn;
    };
    static constexpr std::uint8_t no_reason = 255;
    struct Flight {
        PresencePut put;
        bool mark = false;  // marks another gateway's device as lost
    };
    struct Mark {
        std::string id;
        ConnectionId conn;  // the lost connection; ignored if the device has another by then
        WallTime at;
    };
    using Entries = std::unordered_map<std::string, Entry>;
    enum class Claim : std::uint8_t {
        fresh,      // the connection has just stated the id
        late,       // the connection that holds the device seems to be established later
        delayed,    // takeovers of the device follow each other too fast
        contested,  // another gateway's connection, perhaps an earlier one, took the device
    };
    /// A claim of ours on a device that is elsewhere, to be repeated.
    struct Waiting {
        HeldDevice held;
        SteadyTime since;
        SteadyTime again;
        Claim claim{};
        std::uint8_t contests = 0;
    };
    static constexpr std::uint8_t max_contests = 3;
    /// A connection of ours that ended as superseded, and whose record no other connection has replaced yet.
    struct Orphan {
        std::string id;
        ConnectionId conn;
        SteadyTime since;
    };
    /// State of a device that moves between gateways.
    struct Moves {
        TakeoverBackoff backoff;
        SteadyTime latest;
        std::uint64_t count = 0;
    };
    static constexpr std::size_t max_moves = 4'096;  ///< devices
    static constexpr std::chrono::seconds moves_kept{150};
    /// Lags of another gateway's clock behind ours, from its latest beats. A delayed beat makes the lag too large.
    struct ClockOffset {
        std::uint32_t run = 0;
        std::deque<WallTime::duration> latest = {};
    };

    void write(Entry& entry, const PresenceRecord& record);
    [[nodiscard]] PresenceRecord read(const Entry& entry) const;
    [[nodiscard]] bool own(const Entry& entry) const {
        return names_.text(entry.gateway) == self_ && entry.run == run_;
    }
    void absent(const std::string& id, Entry& entry);
    void mark_dirty(const std::string& id, Entry& entry);
    /// Returns true if this gateway purges the entry's record when the entry is forgotten.
    [[nodiscard]] bool answers_for(const Entry& entry) const {
        return names_.text(entry.gateway) == self_ || names_.text(entry.by) == self_;
    }
    void note_end(const std::string& id, const Entry& entry);
    /// Removes a put whose result has arrived. Returns it with its entry, or nullopt if one of them is gone.
    [[nodiscard]] std::optional<std::pair<Flight, Entries::iterator>> end_flight(const std::string& id);
    void drop(const Ended& ended);
    void ready(Entries::iterator entry);
    /// Returns true for the record of a put of this run whose entry the budget has removed since.
    [[nodiscard]] bool is_late_echo(const PresenceRecord& record) const {
        const bool own_run = record.gateway == self_ && record.run == run_ && record.by.empty();
        return !in_snapshot_ && (own_run || record.by == self_);
    }
    void count_ends_again();
    void set_held(Entry& entry, bool held);
    void displace(const std::string& id, const PresenceRecord& former);
    [[nodiscard]] bool is_elsewhere(const Entry& entry) const {
        return entry.online && names_.text(entry.gateway) != self_;
    }
    [[nodiscard]] WallTime to_our_time(const PresenceRecord& record) const;
    [[nodiscard]] bool takes(const std::string& id, const Entry& entry, const Waiting& claim);
    [[nodiscard]] bool is_late(const Entry& entry, const Waiting& claim) const;
    void wait_or_give_up(const std::string& id, const Waiting& claim);
    void claim(const std::string& id, const Waiting& claim);
    void wait(const std::string& id, Waiting claim, SteadyTime again);
    void claim_soon(const std::string& id);
    [[nodiscard]] std::optional<WallTime::duration> lead_over(const Entry& entry, const HeldDevice& held) const;
    [[nodiscard]] bool is_contested(const Entry& entry, const PresenceRecord& to) const;
    void orphan(const std::string& id, const Entry& entry);
    void end_orphans();
    void end(const std::string& id, Entry& entry, std::optional<CloseReason> reason, WallTime at);
    void audit_one(const std::string& id, Entry& entry, std::optional<ConnectionId> here, Audit& audit);
    [[nodiscard]] bool differs_again(const std::string& id, ConnectionId conn);
    Moves& moves_of(const std::string& id);
    void forget_moves();
    [[nodiscard]] bool is_denied(const Entry& entry, const HeldDevice& held) const;
    [[nodiscard]] bool insists(const std::string& id, const Entry& entry, const PresenceRecord& other) const;
    void saw_while_held(const std::string& id, Entry& entry, const PresenceRecord& record);
    void saw_own(const std::string& id, Entry& entry, const PresenceRecord& record, std::uint64_t revision);
    void yield(Entry& entry, const std::string& id, const PresenceRecord& to);
    void settle_displaced(const std::string& id);
    void came_back(const PresenceRecord& record);
    void report_displaced(const std::string& gateway, const std::function<bool(std::uint32_t run)>& which);

    std::string self_;
    std::uint32_t run_;
    NameTable names_;
    Entries entries_;
    std::size_t held_ = 0;
    std::deque<std::string> dirty_;
    std::deque<Mark> marks_;
    std::size_t max_ended_;
    std::unordered_map<NameTable::Number, std::deque<Ended>> ended_;  // by gateway, in the order of their ends
    std::vector<Ended> ready_;                                        // the bucket has their ends: to be dropped
    std::deque<std::pair<SteadyTime, Ended>> purges_;
    std::uint64_t dropped_ = 0;
    bool counting_again_ = false;  // while the ends in a snapshot are counted
    std::unordered_map<std::string, Flight> flights_;
    std::unordered_map<std::string, LostLife> displacing_;    // by puts without an acknowledgement
    std::map<std::string, std::vector<LostLife>> displaced_;  // by gateway; closed_at: time of the replacement
    std::unordered_set<std::string> returning_;
    std::unordered_map<std::string, Waiting> waiting_;
    std::deque<Orphan> orphans_;
    std::unordered_map<std::string, std::pair<ConnectionId, SteadyTime>> differing_;  // in an audit, since that time
    std::size_t audited_ = 0;                                                         // hash buckets of entries_
    std::unordered_map<std::string, Moves> moves_;
    std::unordered_map<std::string, ClockOffset> clocks_;
    SteadyTime now_{};
    WallTime wall_now_{};
    std::vector<std::string> unresolved_;
    PresenceTasks tasks_;
    bool complete_ = false;
    bool in_snapshot_ = false;
};

}  // namespace holdfast
