#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conn/accept_queue.h"
#include "conn/ack_wait.h"
#include "conn/admission.h"
#include "conn/asked_list.h"
#include "conn/counters.h"
#include "conn/drain_run.h"
#include "conn/half_open.h"
#include "conn/handshake_order.h"
#include "conn/landing_buffer.h"
#include "conn/listener.h"
#include "conn/liveness.h"
#include "conn/observation_log.h"
#include "conn/partings.h"
#include "conn/plan_change.h"
#include "conn/policy.h"
#include "conn/preamble.h"
#include "conn/probe_run.h"
#include "conn/registry.h"
#include "conn/resumed_reads.h"
#include "conn/shard_options.h"
#include "conn/shard_pace.h"
#include "conn/stop_task.h"
#include "conn/stream_handler.h"
#include "conn/suspects.h"
#include "conn/tls_sessions.h"
#include "conn/victim_order.h"
#include "reactor/reactor.h"
#include "tcp/close_cause.h"
#include "tcp/tcp_info.h"

namespace holdfast {

/// One reactor's connections from accept to grave: the only place that reads, writes and ends them. Owns registry,
/// listeners and the landing buffer; lives on the reactor's thread. One door, close(); one grave, reap(), at the end of
/// the turn. Ends when all have been reaped after drain().
class Shard final : public Reactor::Client {
public:
    using Visit = std::function<void(Connection&)>;

    Shard(Reactor& reactor, StreamHandler& handler, Admission& admission, ShardOptions options);

    /// Before the reactor runs.
    void add_listener(UniqueFd socket);
    void start();

    /// While it runs: numbers are taken in order, and again once the last connection of the one before has gone.
    /// One that was removed may come back, with connections that have not ended yet; they stay.
    void open_listener(NewListener fresh, PlanChange::Done in_force);
    /// Living connections follow. For both, `in_force` is called when the last of them has the new plan: never if it is
    /// the old one, or changes again before.
    void change_listener(ListenerChange change, PlanChange::Done in_force);
    /// Its connections end as `drained`; from `deadline` on without reading what has arrived.
    void close_listener(std::uint8_t number, SteadyTime deadline);

    void on_ready(Token token, std::uint32_t events) override;
    void expect(Token token) noexcept override {
        if (!Listener::is_listener(token)) registry_.prefetch(token);
    }
    [[nodiscard]] bool on_turn_end() override;
    void on_absence(SteadyTime until, std::chrono::nanoseconds length) override;
    [[nodiscard]] std::size_t descriptors() const override { return registry_.size() + listeners_.size(); }

    [[nodiscard]] Registry& registry() { return registry_; }
    /// It is in its preamble, and the handler has not been told of it.
    [[nodiscard]] bool is_opening(const Connection& connection) const {
        return connection.held && preambles_.under_way(registry_.number_of(connection));
    }
    /// Its peer has ended it, and the shard sees to that once it reads the connection again: no leak.
    [[nodiscard]] bool ends_when_read(const Connection& connection) const {
        return connection.peer_ended && waits_to_be_read(connection);
    }
    /// Of one that is `encrypted`.
    [[nodiscard]] const TlsSession& tls_of(const Connection& connection) { return tls_.of(connection.fd); }
    [[nodiscard]] const ListenerPolicy& policy_of(const Connection& connection) const {
        return policies_[connection.listener];
    }
    /// By listener number. Before the reactor runs, or on its thread.
    [[nodiscard]] const std::vector<std::shared_ptr<ListenerCounters>>& listener_counters() const {
        return listener_counters_;
    }
    [[nodiscard]] ShardCounters& counters() { return counters_; }
    /// What was noticed since the last call.
    [[nodiscard]] Observations take_observations() { return observations_.take(); }
    /// Whether to probe some ahead of time, and to suspect any.
    void keep_canaries(bool on);
    [[nodiscard]] SteadyTime steady_of(Tick tick) const { return started_ + tick.since(ticks_.at(started_)); }
    [[nodiscard]] const TurnTime& time() {
        if (time_.steady != reactor_.now()) time_ = {reactor_.now(), reactor_.wall_now(), ticks_.at(reactor_.now())};
        return time_;
    }
    [[nodiscard]] WallTime wall_of(Tick tick) const { return started_at_ + tick.since(ticks_.at(started_)); }

    /// Returns when the connection began, comparable across reactors: see accepted_before().
    [[nodiscard]] AcceptTime accept_time_of(const Connection& connection) const;
    /// Runs `work` at `when`, or when the reactor gets to it. On the reactor's thread.
    void run_at(SteadyTime when, std::function<void()> work) { reactor_.run_at(when, std::move(work)); }

    /// The one door. The first cause wins; the `closed` event comes from reap(), later in this turn.
    void close(Connection& connection, CloseReason reason, std::string_view detail = {});
    /// The same, once what has arrived has been taken.
    void close_after_reading(Connection& connection, CloseReason reason, std::string_view detail = {});
    /// Closes it and drops what its handler has not taken: bytes that are refused are not left over.
    void refuse(Connection& connection, CloseReason reason, std::string_view detail);
    [[nodiscard]] SendOutcome send(Connection& connection, std::string_view framed);
    /// It must prove which device it is, and has not done so yet.
    [[nodiscard]] bool is_stranger(const Connection& connection) const {
        return is_opening(connection) || (policy_of(connection).authenticates && !connection.named);
    }
    /// Ends what Taken::hold began: what was kept is offered again, and reading goes on.
    void release(Connection& connection);
    /// Runs `work` at the end of this turn, when the handler has been told of it. On the reactor's thread.
    void after_turn(std::function<void()> work) { after_turn_.push_back(std::move(work)); }

    /// Asks until `deadline` whether the peer's kernel has acknowledged all sent so far; then calls `done`, once.
    void when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool acknowledged)> done);

    /// How fast a walk goes: so many slots in a turn, the next no sooner than after `pause`.
    struct WalkPace {
        std::uint32_t slots;
        std::chrono::milliseconds pause;
    };
    static constexpr WalkPace at_ease{2'048, std::chrono::milliseconds(0)};

    /// Visits every open connection, a slice at a time; then calls `done`, always.
    void walk(Visit visit, std::function<void()> done, WalkPace pace = at_ease);
    /// Asks one connection, or all that `wanted` says, whether they are there.
    void probe(Connection& connection, std::chrono::milliseconds timeout, ProbeRun::Done done);
    void probe_all(std::function<bool(const Connection&)> wanted, std::chrono::milliseconds timeout,
                   ProbeRun::JustHeard just_heard, ProbeRun::Done done);

    /// Marks those of `silent` as suspect that still are: probed, and not heard from for `asked_for`. Closes none.
    void mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds asked_for);
    /// Returns when the connection was marked, or nullopt if it is no suspect.
    [[nodiscard]] std::optional<WallTime> suspect_since(const Connection& connection) const;

    /// Ends some connections as `drained`, spread over a time; who comes meanwhile stays.
    void drain_over(DrainTask task);

    /// Stops accepting, reads what has arrived, ends every connection as `shutdown` and then the reactor; from the
    /// task's deadline on without reading. A later call can only bring the deadline forward.
    void drain(StopTask task);

private:
    struct Dead {
        Connection* connection;
        Death death;
    };
    struct Walk {
        Visit visit;
        std::function<void()> done;
        WalkPace pace;
        SteadyTime next_slice{};
        std::uint32_t next_slot = 1;
    };
    enum class ReadUntil : std::uint8_t { short_read, end };
    static constexpr std::uint32_t awaited_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;

    // shard_accept.cc
    static constexpr int accepts_per_turn = 256;
    static constexpr int accepts_when_late = 16;  // the turn's share for readiness is spent
    bool accept_from(Listener& listener, int most = accepts_per_turn);
    void admit(Listener& listener, int fd, const Endpoint& peer);
    enum class Entry : std::uint8_t { paid, corpse };
    void enter_or_wait(Connection& connection);
    void enter(Connection& connection, Entry entry);
    void wait_for_turn(Connection& connection);
    void enter_from_queue(Connection& connection, Entry entry);
    void leave_queue(Connection& connection);
    [[nodiscard]] bool make_place(const IpAddress& newcomer);
    void schedule_turns();
    void take_turns();
    void step_waiting(Connection& connection);
    [[nodiscard]] bool end_waiting(Connection& connection, const Death& death);
    [[nodiscard]] bool is_waiting(const Connection& connection) const {
        return connection.held && preambles_.waits(registry_.number_of(connection));
    }
    void note_backlog_wait(Connection& connection);
    [[nodiscard]] std::optional<RefusedBy> refuse(const ListenerPolicy& policy, const Endpoint& peer,
                                                  Admission::Pass& pass);
    void pause_accepting(Listener& listener, int error);
    void resume_accepting(Listener& listener);
    void accept_again_at(const Listener& listener, SteadyTime when);

    // shard_preamble.cc
    void begin_preamble(Connection& connection, Entry entry);
    void watch_preambles();
    void judge_preamble(Connection& connection);
    [[nodiscard]] static std::chrono::nanoseconds time_of_path(const Connection& connection);
    void overrun_preamble(Connection& connection);
    void step_preamble(Connection& connection, ReadUntil until);
    [[nodiscard]] bool take_proxy_header(Connection& connection, Preamble& preamble, ReadUntil until);
    [[nodiscard]] bool move_to(Connection& connection, const Endpoint& peer);
    void turn_away(Connection& connection, RefusedBy limit);
    [[nodiscard]] bool has_arrived(Connection& connection);
    void end_if_shut(Connection& connection);
    void open(Connection& connection);
    [[nodiscard]] bool end_preamble(Connection& connection, const Death& death);

    // shard_tls.cc
    [[nodiscard]] bool begin_handshake(Connection& connection, Preamble& preamble);
    [[nodiscard]] bool take_handshake_place(const IpAddress& newcomer);
    [[nodiscard]] bool is_slow(const Connection& connection, SteadyTime since);
    void shake_later(Connection& connection, Preamble& preamble);
    void step_handshakes();
    void shake(Connection& connection);
    void finish_handshake(Connection& connection, const TlsSession& session);
    void read_encrypted(Connection& connection, ReadUntil until);
    void end_by_tls(Connection& connection, const TlsOutcome& outcome);
    void wake_for_write(Connection& connection);
    [[nodiscard]] ssize_t put(Connection& connection, std::string_view bytes);
    [[nodiscard]] ssize_t put_encrypted(Connection& connection, std::string_view bytes);
    [[nodiscard]] std::string_view objection_to(const Connection& connection);
    void end_uncertified(std::uint8_t number);
    void end_encryption(Connection& connection, const Death& death);

    // shard_limits.cc
    /// What one connection has used up of its share of a second.
    struct Spent {
        std::uint64_t items = 0;
        std::uint64_t bytes = 0;
    };
    void charge(Connection& connection, std::uint64_t items, std::uint64_t bytes);
    void end_second();
    void mind_memory(Connection& connection);
    void relieve();
    [[nodiscard]] bool wants_relief() const;
    void read_again_if_throttled(Token number);
    void read_what_fits();
    void shed_late_ones();
    void add_late_one(const Connection& connection, VictimOrder& late);

    // shard_shed.cc
    /// Memory that a connection holds for its buffers and its TLS session.
    struct Holding {
        std::size_t bytes = 0;
        std::size_t loose = 0;  ///< of these, what is no idle session's
    };
    /// Keeps the books while what a connection holds may change. One within another of the same does nothing.
    class HoldingNote {
    public:
        HoldingNote(Shard& shard, const Connection& connection)
            : shard_(shard), connection_(connection), outer_(shard.noted_), before_(shard.holding_of(connection)) {
            shard_.noted_ = &connection;
        }
        HoldingNote(const HoldingNote&) = delete;
        HoldingNote& operator=(const HoldingNote&) = delete;
        ~HoldingNote() {
            shard_.noted_ = outer_;
            if (outer_ != &connection_) shard_.settle(connection_, before_, shard_.holding_of(connection_));
        }

    private:
        Shard& shard_;
        const Connection& connection_;
        const Connection* const outer_;
        const Holding before_;
    };
    [[nodiscard]] Holding holding_of(const Connection& connection) const;
    void settle(const Connection& connection, Holding before, Holding after) noexcept;
    [[nodiscard]] bool is_authenticated(const Connection& connection) const;
    [[nodiscard]] VictimOrder::Holder holder_of(const Connection& connection, Holding held) const;
    [[nodiscard]] HeldMemory held_memory(const Connection& connection, Holding held, std::size_t source_bytes);
    void make_room();
    [[nodiscard]] bool take_census();
    void add_to_census(const Connection& connection);
    void shed_some();
    std::size_t shed(const VictimOrder::Holder& victim);

    // shard_deadlines.cc
    struct Overdue {
        CloseReason reason;
        std::string_view detail;
    };
    static constexpr std::chrono::seconds longest_busy_turn{1};
    [[nodiscard]] std::optional<Overdue> find_overdue(const Connection& connection, int times);
    void judge(Connection& connection);
    /// Returns the `span` until now without long absences: the kernel's evidence is true after a busy turn,
    /// and not after a freeze of the whole machine.
    [[nodiscard]] std::chrono::milliseconds attended_part(std::chrono::milliseconds span) const;
    /// Time since `since` in which the shard read its connections.
    [[nodiscard]] std::chrono::milliseconds read_since(Tick since);

    // shard_paused.cc
    /// FIN behind a hold: so long, and what has arrived is left unread.
    static constexpr std::chrono::seconds longest_hold_after_end{10};
    [[nodiscard]] bool waits_to_be_read(const Connection& connection) const;
    void see_end(Connection& connection, std::uint32_t events);
    void end_unread(Connection& connection);
    void end_long_holds();
    void read_last_bytes(Connection& connection);

    // shard_change.cc
    struct Leaving {
        std::uint8_t number;
        SteadyTime deadline;  ///< in attended time
    };
    void begin_accepting(Listener& listener);
    void accept_last(Listener& listener);
    void change_plan_of(std::uint8_t number, PlanChange::Done in_force);
    void step_plan_change(const std::shared_ptr<PlanChange>& change, std::uint8_t number);
    void drain_leaving();
    void drain_if_leaving(Connection& connection);
    void forget_those_left();

    // shard_drain.cc
    void step_drain(const std::shared_ptr<DrainRun>& run);
    [[nodiscard]] bool take_for_drain(Connection& connection, const DrainRun& run);
    void end_in_drain(Connection& connection, const std::shared_ptr<DrainRun>& run);

    // shard_parting.cc
    void part(Connection& connection, CloseReason reason, std::string_view detail, SteadyTime deadline,
              std::shared_ptr<const void> order = nullptr);
    void end_hold(Connection& connection);
    void watch_partings();
    void look_at_parting(Connection& connection);
    void cut_off(Connection& connection);

    // shard_io.cc
    void read_or_later(Connection& connection, ReadUntil until);
    void read(Connection& connection, ReadUntil until);
    [[nodiscard]] bool take(Connection& connection, std::size_t arrived);
    [[nodiscard]] bool keep_unfinished(Connection& connection, std::span<const char> rest, bool same_item);
    void read_later(Connection& connection);
    void read_those_left();
    void take_last_bytes(Connection& connection);
    void end_by_peer(Connection& connection);
    void end_by_kernel(Connection& connection, int error, IoPhase phase, std::string_view detail = {});
    void queue_downlink(Connection& connection, std::string_view framed);
    void flush_downlink(Connection& connection);
    void fail_write(Connection& connection, int error);
    void look_for_ack(AckWaits::iterator wait);

    // shard_sweep.cc
    void end_by_silence(Connection& connection, const Evidence& evidence, std::string_view detail);
    void schedule_step();
    void step_pace();
    void sweep_slice();
    void look_at(Connection& connection);
    void look_at_watched(Connection& connection);
    void note_progress(Connection& connection, const TcpFacts& facts);
    void relieve_kernel(Connection& connection, const WatchedFacts& view);
    void look_before_next_sweep(const Connection& connection, std::chrono::milliseconds due);
    void end_stalled(Connection& connection, const Evidence& evidence, std::chrono::milliseconds limit);
    void ask_if_quiet(Connection& connection);
    [[nodiscard]] bool ask_as_canary(std::uint32_t slot);
    void ask_ahead(Connection& connection, bool watched);
    void look_at_asked(AskedList::Asked asked);
    void end_asking(Connection& connection, std::chrono::milliseconds silence);
    void notice(const Connection& connection, Observation::Kind kind, std::chrono::milliseconds time_span);

    // shard_suspects.cc
    void step_suspects();
    void end_suspicion(Connection& connection);
    void notice_answer_of_suspect(Connection& connection, const Evidence& evidence);

    // shard.cc
    void close(Connection& connection, Death death);
    void reap();
    void bury(const Dead& dead);
    void tell_end(Connection& connection, const Death& death);
    [[nodiscard]] bool was_found_late(const Connection& connection, const Death& death);
    void step_walks();
    [[nodiscard]] bool walk_is_due();
    [[nodiscard]] ProbeRun::Done counted(ProbeRun::Done done);
    void step_probe(ProbeRun& run);
    void drain_slice();
    void end_in_stop(Connection& connection);
    [[nodiscard]] bool has_ends_left() const;
    void finish_if_drained();
    [[nodiscard]] bool reading_allowed();
    void ask_again_soon();

    Reactor& reactor_;
    StreamHandler& handler_;
    Admission& admission_;
    std::vector<ListenerPolicy> policies_;
    const SteadyTime started_;
    const WallTime started_at_;
    TickLine ticks_;
    TurnTime time_{};
    Registry registry_;
    LandingBuffer buffer_;
    std::vector<std::shared_ptr<ListenerCounters>> listener_counters_;
    ShardCounters counters_;
    std::vector<Listener> listeners_;
    ShardPace pace_;
    SteadyTime step_at_ = SteadyTime::max();  // of the pace; max: none is scheduled
    bool sweep_due_ = false;
    std::uint32_t asked_in_turn_ = 0;
    AskedList asked_;
    ObservationLog observations_;
    Suspects suspects_;
    bool probes_suspects_ = false;  // a timer will
    AcceptQueue accept_queue_;
    std::int64_t reserved_turns_ = 0;  // of accept_rate; a timer is set while there are any
    Preambles preambles_;
    bool watches_preambles_ = false;
    TlsSessions tls_;
    HandshakeOrder handshakes_;
    HalfOpen half_open_;
    std::vector<Token> read_again_;
    std::vector<Dead> dead_;
    std::vector<std::function<void()>> after_turn_;
    const RateLimits rates_;
    std::unordered_map<Token, Spent> spent_;  // in this second, and debts from earlier ones
    SteadyTime second_began_{};
    std::vector<Token> over_rate_;       // not read until the second is over
    std::vector<Token> squeezed_;        // not read until there is memory again
    bool out_of_buffers_ = false;        // nobody is read until make_room()
    std::optional<Census> census_;       // under way, while out_of_buffers_
    SteadyTime short_since_{};           // memory has been short without a break; zero: it is not
    SteadyTime next_census_{};           // not before: the latest found none to end
    const Connection* noted_ = nullptr;  // of the innermost HoldingNote
    const std::size_t large_;            // bytes of an unfinished item
    std::list<Walk> walks_;
    std::list<ProbeRun> probes_;
    AckWaits ack_waits_;
    std::map<std::uint8_t, std::shared_ptr<PlanChange>> plan_changes_;  // by listener number
    std::vector<Leaving> leaving_;                                      // removed, with connections that are ending
    std::uint32_t leaving_slot_ = 0;
    Partings partings_;
    StopTask stop_;                             // while there is a drain_deadline_
    std::optional<SteadyTime> drain_deadline_;  // in attended time
    std::uint32_t drain_slot_ = 0;
    bool drained_ = false;
    bool paused_ = false;                                        // reading: the handler is not ready
    bool asks_again_ = false;                                    // a timer will
    SteadyTime paused_since_{};                                  // in attended time
    AttendedTime thawed_time_;                                   // less absences of longest_busy_turn and more
    AttendedTime read_time_;                                     // less absences, and pauses of all reading
    ResumedReads resumed_reads_;                                 // pauses of one connection's
    std::deque<std::pair<Token, SteadyTime>> ended_while_held_;  // until when, in attended time
};

}  // namespace holdfast
