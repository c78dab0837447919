#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <holdfast/server.h>

#include "base/takeover_backoff.h"
#include "fleet/name_table.h"
#include "fleet/record.h"

namespace holdfast {

/// One connection of a device, as its own gateway knows it.
struct HeldDevice {
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    WallTime since;
    bool proved = false;     ///< to be that device
    WallTime accepted = {};  ///< when the connection was established, by this gateway's clock; zero: unknown
    bool ended = false;      ///< its peer had shut it down when it said its id
};

/// What the presence bucket is to be given: a compare-and-set.
struct PresencePut {
    std::string id;
    PresenceRecord record;
    std::uint64_t expected = 0;  ///< the key's revision; 0: there is none
};

/// A connection whose gateway is gone: nobody else will tell how it ended.
struct LostLife {
    std::string id;
    PresenceRecord record;  ///< as it was while it lived
};

/// What is to be done besides putting.
struct PresenceTasks {
    std::vector<ConnectionId> superseded;  ///< of our own: another gateway has the device
    std::vector<ConnectionId> denied;      ///< the same, by a connection that has proved to be it, which ours had not
    std::vector<LostLife> lost;            ///< to be told as closed, gateway_lost
    std::vector<std::string> returned;     ///< devices of ours that others had given up: to be told as connected
    std::vector<DuplicateDevice> duplicates;  ///< takeovers between gateways that are delayed
    [[nodiscard]] bool empty() const {
        return superseded.empty() && denied.empty() && lost.empty() && returned.empty() && duplicates.empty();
    }
};

/// Where every device of the fleet is: what the bucket says, and for this gateway's own devices what it should say.
/// Decides, by proof, then by the order in which connections were established, then by revisions, who has a device.
/// An `online` record of this gateway has a held connection, or is closed within moments.
/// Pure; one thread at a time.
class Presence {
public:
    static constexpr std::size_t default_most_ended = 10'000;

    /// Keeps at most `most_ended` closed records of unauthenticated connections a gateway: anybody can invent
    /// an id.
    Presence(std::string self, std::uint32_t run, std::size_t most_ended = default_most_ended)
        : self_(std::move(self)), run_(run), most_ended_(most_ended) {}

    /// A claim of ours is older than another gateway's only if it is so by more than this.
    static constexpr std::chrono::milliseconds clock_error{1'000};
    /// Such a claim is looked at again, and ends only if the other still stands after this time.
    static constexpr std::chrono::seconds until_superseded{3};
    /// Two connections that were established within this time of each other: by the gateways' clocks alone it is not
    /// certain which is the later one.
    static constexpr std::chrono::milliseconds order_error{200};
    /// The one that loses such a contest is kept for this time: a device that hops closes the earlier one itself.
    static constexpr std::chrono::milliseconds contested_for{1'000};
    /// After this time a record of a connection that has ended as superseded is closed, unless a newer one has come.
    static constexpr std::chrono::milliseconds orphaned_after{1'000};

    /// Everything until the next call happens at that time. Before the first call no claim is judged by its time.
    void set_time(SteadyTime steady, WallTime wall) {
        now_ = steady;
        wall_now_ = wall;
    }
    /// A beat of another gateway has just come, and says what its clock showed.
    void heard_clock(const std::string& gateway, std::uint32_t run, WallTime its, WallTime ours);
    /// Claims that wait are made again; `lives` says whether a gateway is being heard of.
    void step(const std::function<bool(const std::string& gateway)>& lives);

    // What happens to this gateway's own devices.
    void here(const std::string& id, const HeldDevice& held);
    void gone(const std::string& id, ConnectionId conn, std::optional<CloseReason> reason, WallTime at);

    // What the bucket says; a revision that is no news is passed over.
    void begin_snapshot();
    void saw(const std::string& id, const PresenceRecord& record, std::uint64_t revision);
    void end_snapshot();
    void removed(const std::string& id, std::uint64_t revision);  ///< 0: it was looked for, and there is none

    // What became of a put.
    [[nodiscard]] std::vector<PresencePut> take_puts(std::size_t most);
    /// Between a record's end in the bucket and its purge: a watch never delivers what is purged before, and a gateway
    /// whose watch lags further behind begins a new one.
    static constexpr std::chrono::seconds purged_after{10};
    /// Records above the budget, with the revisions up to which they are to be purged.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> take_purges(SteadyTime now, std::size_t most);
    void landed(const std::string& id, std::uint64_t revision);
    void refused(const std::string& id);  ///< the bucket has another revision
    void failed(const std::string& id);   ///< nobody knows: it is put again

    // What becomes of gateways.
    void lose(const std::string& gateway, WallTime now);
    /// Of this run: what devices had there until `before`, and have here since, it will have seen and told itself.
    void beats(const std::string& gateway, std::uint32_t run, WallTime before);
    void stopped(const std::string& gateway);
    /// It is lost, and lose() was called: tells of devices that have come here from it since.
    void still_lost(const std::string& gateway) {
        tell_displaced(gateway, [](std::uint32_t) { return true; });
    }

    [[nodiscard]] PresenceTasks take_tasks() { return std::exchange(tasks_, {}); }
    /// Those that were refused, and whose newer record has not been seen: to be read from the bucket.
    void retry(const std::string& id);  ///< after that
    [[nodiscard]] std::vector<std::string> take_puzzles() { return std::exchange(puzzles_, {}); }

    struct Found {
        PresenceRecord record;
        std::uint64_t revision = 0;
    };
    [[nodiscard]] std::optional<Found> find(const std::string& id) const;
    /// What an audit has found: the records that it corrected, and devices whose connection here it does not know.
    struct Audit {
        std::size_t corrected = 0;
        std::vector<std::pair<std::string, ConnectionId>> unknown;
    };
    /// Compares about a `share`th of all records with the connections that the gateway holds; `here` returns a
    /// device's. What differs in two audits of it that are `audit_again` apart is corrected.
    [[nodiscard]] Audit audit(std::size_t share,
                              const std::function<std::optional<ConnectionId>(const std::string& id)>& here);
    static constexpr std::chrono::seconds audit_again{2};
    void for_each(const std::function<void(const std::string& id, const PresenceRecord&)>& look) const;
    [[nodiscard]] std::vector<std::string> held_ids() const;
    /// What this gateway has seen closed since before `before` is forgotten; with its revision, for those that are to
    /// be purged by this gateway. The time in the record does not count: a step of a wall clock makes no record old.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> forget(
        SteadyTime before, std::size_t most, const std::function<bool(const std::string& gateway)>& lives);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t held() const { return held_; }
    [[nodiscard]] std::size_t unsettled() const { return dirty_.size() + marks_.size() + flights_.size(); }
    [[nodiscard]] std::size_t in_flight() const { return flights_.size(); }
    /// Closed records of this gateway's unauthenticated connections, and how many the budget has removed.
    [[nodiscard]] std::size_t ended() const;
    [[nodiscard]] std::size_t most_ended() const { return most_ended_; }
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
    [[nodiscard]] bool complete() const { return complete_; }  ///< a snapshot has been seen as a whole

private:
    struct Entry {
        ConnectionId conn;
        std::uint64_t revision = 0;  // in the bucket
        Endpoint peer;
        std::uint32_t run = 0;
        WallTime since;
        WallTime closed_at;
        SteadyTime seen_closed;  // first, by this gateway
        WallTime accepted;       // by its gateway's clock
        WallTime accepted_here;  // by ours, or later: WallTime::min() if that is not known
        NameTable::Number gateway = 0;
        NameTable::Number listener = 0;
        NameTable::Number by = 0;
        std::uint8_t reason = no_reason;
        std::uint8_t contests = 0;  // so often its connection has taken the device back
        bool online : 1 = false;
        bool held : 1 = false;     // by this gateway, and `online` tells of that
        bool dirty : 1 = false;    // the bucket does not say so yet
        bool claimed : 1 = false;  // its connection has been in the bucket: who replaced it since, knew of it
        bool seen : 1 = false;     // in the present snapshot
        bool proved : 1 = false;
        bool drop : 1 = false;          // the budget removes it: purged once the bucket has its end
        bool may_be_there : 1 = false;  // a put failed: the bucket may have it all the same
    };
    struct Ended {
        std::string id;
        ConnectionId conn;
    };
    static constexpr std::uint8_t no_reason = 255;
    struct Flight {
        PresencePut put;
        bool mark = false;  // of another's device as lost
    };
    struct Mark {
        std::string id;
        ConnectionId conn;  // that is lost; if the device has another by then, that is none
        WallTime at;
    };
    using Entries = std::unordered_map<std::string, Entry>;
    enum class Claim : std::uint8_t {
        fresh,      // the connection has just said the id
        late,       // the connection that has the device seems to have been established later
        delayed,    // takeovers of the device come in a row
        contested,  // another gateway's connection took the device, perhaps an earlier one
    };
    /// A claim of ours on a device that is elsewhere, to be made again.
    struct Waiting {
        HeldDevice held;
        SteadyTime since;
        SteadyTime again;
        Claim claim{};
        std::uint8_t contests = 0;
    };
    static constexpr std::uint8_t max_contests = 3;
    /// A connection of ours that has ended as superseded, and whose record nobody has replaced yet.
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
    /// How far another gateway's clock is behind ours, from its latest beats; a beat that came late says too much.
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
    void soil(const std::string& id, Entry& entry);
    /// Whether this gateway purges the entry's record when it is forgotten.
    [[nodiscard]] bool answers_for(const Entry& entry) const {
        return names_.text(entry.gateway) == self_ || names_.text(entry.by) == self_;
    }
    void note_end(const std::string& id, const Entry& entry);
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
    void tell_displaced(const std::string& gateway, const std::function<bool(std::uint32_t run)>& which);

    std::string self_;
    std::uint32_t run_;
    NameTable names_;
    Entries entries_;
    std::size_t held_ = 0;
    std::deque<std::string> dirty_;
    std::deque<Mark> marks_;
    std::size_t most_ended_;
    std::unordered_map<NameTable::Number, std::deque<Ended>> ended_;  // by gateway, in the order of their ends
    std::vector<Ended> ready_;                                        // to be dropped, and the bucket has their ends
    std::deque<std::pair<SteadyTime, Ended>> purges_;
    std::uint64_t dropped_ = 0;
    bool counting_again_ = false;  // the ends in a snapshot
    std::unordered_map<std::string, Flight> flights_;
    std::unordered_map<std::string, LostLife> displacing_;    // by puts that have not landed
    std::map<std::string, std::vector<LostLife>> displaced_;  // by gateway; closed_at: when
    std::unordered_set<std::string> returning_;
    std::unordered_map<std::string, Waiting> waiting_;
    std::deque<Orphan> orphans_;
    std::unordered_map<std::string, std::pair<ConnectionId, SteadyTime>> differing_;  // in an audit, since
    std::size_t audited_ = 0;                                                         // hash buckets of entries_
    std::unordered_map<std::string, Moves> moves_;
    std::unordered_map<std::string, ClockOffset> clocks_;
    SteadyTime now_{};
    WallTime wall_now_{};
    std::vector<std::string> puzzles_;
    PresenceTasks tasks_;
    bool complete_ = false;
    bool in_snapshot_ = false;
};

}  // namespace holdfast
