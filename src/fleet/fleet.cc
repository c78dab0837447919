#include "fleet/fleet.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "codec/event_writer.h"
#include "codec/item.h"
#include "forward/message.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds news_wait{100};
constexpr std::size_t max_claims_in_flight = 1'024;  // each holds its message and its text
constexpr std::size_t puts_in_a_turn = 256;
constexpr milliseconds between_binds{500};
constexpr milliseconds deaf_for{8'000};  ///< own beats do not return for this long: the watches restart
constexpr milliseconds until_looked_up{1'000};
constexpr seconds keep_closed{3'600};
constexpr seconds between_cleanings{10};
constexpr seconds until_survivors_told{5};
constexpr std::size_t formers_in_a_turn = 1'000;
constexpr std::size_t purges_in_a_cleaning = 2'000;

constexpr const char* presence_bucket = "holdfast_presence";
constexpr const char* gateways_bucket = "holdfast_gateways";

HeldDevice held_device(const ConnectionRow& row) {
    return {row.conn, row.peer, row.listener, row.connected_at, identity_of(row.authenticated), row.connected_at};
}

// Lines of events that this gateway writes in place of another, or of itself after it was given up.

std::string lost_detail(const PresenceRecord& record, const std::string& by) {
    return "the gateway " + record.gateway + " was lost; " + by + " reports it";
}

/// Returns the entry of such a connection in the history of this gateway.
ClosedLife lost_life(const LostLife& life, const std::string& by, WallTime at) {
    const PresenceRecord& record = life.record;
    ClosedLife closed;
    closed.conn = record.conn;
    closed.peer = record.peer;
    closed.reason = CloseReason::gateway_lost;
    closed.duration = std::max(at - record.since, milliseconds(0));
    closed.at = at;
    closed.listener = record.listener;
    closed.detail = lost_detail(record, by);
    closed.id = life.id;
    closed.authenticated = record.identity == Identity::authenticated;
    closed.observed = false;
    return closed;
}

std::string lost_line(const LostLife& life, const std::string& by, WallTime at) {
    const PresenceRecord& record = life.record;
    std::string line;
    append_event(line, ClosedByFleet{.conn = record.conn,
                                     .listener = record.listener,
                                     .peer = record.peer,
                                     .device = {life.id, {}, record.identity == Identity::authenticated},
                                     .detail = lost_detail(record, by),
                                     .gateway = record.gateway,
                                     .by = by,
                                     .at = at});
    return line;
}

std::string returned_line(const std::string& id, const PresenceRecord& record, WallTime at) {
    std::string line;
    append_event(line, ConnectedAgain{.conn = record.conn,
                                      .listener = record.listener,
                                      .peer = record.peer,
                                      .device = {id, {}, record.identity == Identity::authenticated},
                                      .gateway = record.gateway,
                                      .at = at});
    return line;
}

}  // namespace

Fleet::Fleet(Server& server, NatsLink& link, Spool& spool, DeviceNews& news, FleetOptions options)
    : server_(server),
      link_(link),
      spool_(spool),
      news_(news),
      options_(std::move(options)),
      state_({.name = options_.name, .since = since_, .spool = spool_.status().id, .place = options_.place},
             options_.lost_after, options_.max_closed_unauthenticated, news_),
      former_(options_.inherited.former, options_.inherited.away < keep_closed) {
    devices_ = Bucket::make(link_, {presence_bucket, "holdfast: where each device is", options_.replicas},
                            state_.receive_presence());
    beats_ = Bucket::make(link_, {gateways_bucket, "holdfast: beats of gateways", options_.replicas},
                          state_.receive_gateways());
    const auto holder = [this](const std::string& id) { return state_.holder(id); };
    const auto here = [this](const std::string& id) { return find_here(id); };
    desk_ = std::make_unique<CommandDesk>(
        server_, link_, CommandDesk::Options{options_.name, options_.check_message, holder, here, options_.answer});
    reconnected_ = link_.on_connected([this] {
        devices_->renew();
        beats_->renew();
        news_.wake();
    });
    thread_ = std::thread([this] { run(); });
}

void Fleet::run() {
    while (!stopping_) turn();
    while (!settled() && clock_.steady() < stop_by_.load() && link_.connected()) turn();
    if (!bound_ || !link_.connected()) return;
    beat(true);
    const auto left = std::chrono::floor<milliseconds>(stop_by_.load() - clock_.steady());
    beats_->settle(std::clamp(left, milliseconds(1), milliseconds(2'000)));
}

std::optional<ConnectionId> Fleet::find_here(const std::string& id) const {
    const auto conn = server_.find(id);
    if (!conn || !state_.is_authenticated_elsewhere(id)) return conn;
    // Either an unauthenticated peer, or the device itself, whose move the fleet's thread has not processed yet.
    const auto detail = server_.show(*conn);
    return detail && detail->row.authenticated ? conn : std::nullopt;
}

bool Fleet::settled() const {
    const std::lock_guard lock(state_.mutex);
    return !takes_part_ || state_.presence.unsettled() == 0;
}

void Fleet::turn() {
    take_news();
    audit();
    keep_bound();
    if (const bool took_part = std::exchange(takes_part_, state_.takes_part()); takes_part_ && !took_part) {
        bound_try_ = {};  // commands can arrive from now on
    }
    if (bound_ && link_.connected() && takes_part_) {
        if (clock_.steady() - beaten_ >= beat_interval) beat(false);
        put_what_is_new();
        look_up_unresolved();
    }
    do_tasks();
    classify();
    state_.note_dropped();
    clean();
    settle_former();
}

void Fleet::take_news() {
    const auto taken = news_.take(news_wait);
    {
        const std::lock_guard lock(state_.mutex);
        const SteadyTime now = clock_.steady();
        state_.presence.set_time(now, clock_.wall());
        for (const DeviceNote& note : taken.notes) apply(note);
        state_.presence.step([&](const std::string& name) {
            return state_.book.hears(now) && state_.book.state_of(name, now) == GatewayState::online;
        });
    }
    if (taken.dropped || reconcile_) reconcile();
}

/// Applies a note. Notes of different reactors arrive in any order, so the server decides which connection holds the
/// device now.
void Fleet::apply(const DeviceNote& note) {
    if (note.gone) return state_.presence.gone(note.id, note.conn, note.reason, note.at);
    const auto living = server_.find(note.id);
    if (living && *living != note.conn) return;  // its own note follows, or has been applied
    // Without a living connection, this one has ended or is about to: it takes the device from no other gateway.
    const bool ended = note.ended || !living;
    state_.presence.here(note.id,
                         {note.conn, note.peer, note.listener, note.at, note.identity, note.established, ended});
}

/// Compares all connections with the presence records after notes were dropped.
void Fleet::reconcile() {
    reconcile_ = false;
    ConnectionQuery query;
    query.limit = std::numeric_limits<std::size_t>::max();
    const ConnectionPage page = server_.list(query);
    const std::lock_guard lock(state_.mutex);
    for (const ConnectionRow& row : page.rows) {
        if (row.id.empty() || server_.find(row.id) != row.conn) continue;
        state_.presence.here(row.id, held_device(row));
    }
    for (const std::string& id : state_.presence.held_ids()) {
        const auto found = state_.presence.find(id);
        if (!server_.find(id)) state_.presence.gone(id, found->record.conn, std::nullopt, clock_.wall());
    }
}

/// Compares a few records with connections in each turn, and all of them within about half a minute.
void Fleet::audit() {
    constexpr std::size_t share = 300;
    constexpr milliseconds between_audits{100};
    const SteadyTime now = clock_.steady();
    if (now - audited_ < between_audits || !takes_part_) return;  // a twin's records are not those of this gateway
    audited_ = now;
    Presence::Audit audit;
    {
        const std::lock_guard lock(state_.mutex);
        if (!state_.presence.complete()) return;
        audit = state_.presence.audit(share, [this](const std::string& id) { return server_.find(id); });
    }
    for (const auto& [id, conn] : audit.unknown) {
        const auto detail = server_.show(conn);
        if (!detail) continue;
        const ConnectionRow& row = detail->row;
        const std::lock_guard lock(state_.mutex);
        state_.presence.here(id, held_device(row));
    }
    if (audit.corrected == 0 || !options_.on_notice) return;
    options_.on_notice("corrected the presence of " + std::to_string(audit.corrected) +
                       " devices, whose records differed from this gateway's connections");
}

void Fleet::keep_bound() {
    const SteadyTime now = clock_.steady();
    if (now - bound_try_ < between_binds) return;
    bound_try_ = now;
    if (!link_.connected()) return say(link_.trouble());
    auto error = devices_->bind();
    if (!error) error = beats_->bind();
    if (!error && takes_part_) error = desk_->bind();
    bound_ = !error;
    bool deaf = false;
    bool cut_off = false;
    std::string twin;
    {
        const std::lock_guard lock(state_.mutex);
        cut_off = state_.is_cut_off(now);
        if (!takes_part_) twin = state_.twins.twin(now);
        const bool hears = takes_part_ ? state_.book.hears(now) : !twin.empty();
        deaf = bound_ && !hears && now - renewed_ > deaf_for;
    }
    if (deaf) {
        renewed_ = now;
        devices_->renew();
        beats_->renew();
    }
    if (error) return say(error->message);
    say(cut_off ? "NATS does not return this gateway's beats; check its JetStream" : twin);
}

void Fleet::beat(bool last) {
    beaten_ = clock_.steady();
    if (!takes_part_) return;
    GatewayRecord record = state_.self;
    record.at = clock_.wall();
    record.stopped = last;
    for (const ListenerStatus& listener : server_.status().listeners) record.connections += listener.connections;
    {
        const std::lock_guard lock(state_.mutex);
        record.devices = state_.presence.held();
    }
    static_cast<void>(beats_->put(to_token(options_.name), to_json(record), std::nullopt));
}

void Fleet::put_what_is_new() {
    std::vector<PresencePut> puts;
    std::vector<std::pair<std::string, std::uint64_t>> purges;
    {
        const std::lock_guard lock(state_.mutex);
        // The revisions for the puts are unknown until the whole bucket has been read.
        if (!state_.presence.complete() || state_.presence.in_flight() >= max_claims_in_flight) return;
        puts = state_.presence.take_puts(puts_in_a_turn);
        purges = state_.presence.take_purges(clock_.steady(), puts_in_a_turn);
    }
    for (const auto& [id, revision] : purges) devices_->purge(to_token(id), revision);
    for (const PresencePut& put : puts) {
        if (devices_->put(to_token(put.id), to_json(put.record), put.expected)) continue;
        const std::lock_guard lock(state_.mutex);
        state_.presence.failed(put.id);
    }
    if (puts.size() == puts_in_a_turn) news_.wake();
}

void Fleet::do_tasks() {
    PresenceTasks tasks;
    std::vector<LostLife> returned;
    {
        const std::lock_guard lock(state_.mutex);
        tasks = state_.presence.take_tasks();
        for (const std::string& id : tasks.returned) {
            if (const auto found = state_.presence.find(id)) returned.push_back({id, found->record});
        }
        state_.superseded += tasks.superseded.size();
    }
    for (const ConnectionId conn : tasks.superseded) server_.close(conn, CloseReason::superseded);
    for (const DuplicateDevice& duplicate : tasks.duplicates) server_.note_duplicate(duplicate);
    for (const ConnectionId conn : tasks.denied) server_.close(conn, CloseReason::unauthenticated, another_has_proved);
    for (const LostLife& life : tasks.lost) report_lost(life);
    for (const LostLife& life : returned) {
        tell(returned_line(life.id, life.record, clock_.wall()), life.record.listener);
    }
}

/// Writes the closed event of a lost connection. The spool may already have the ends of a former run's connections, and
/// has better evidence of those that are open.
void Fleet::report_lost(const LostLife& life) {
    const std::string conn = to_string(life.record.conn);
    std::optional<FormerConnection> former;
    if (life.record.gateway == options_.name) {
        former = former_.take(conn);
        if (options_.inherited.has_events && !spool_.is_open(conn)) return;
    }
    tell(former ? former->closed_line : lost_line(life, options_.name, clock_.wall()), life.record.listener);
    server_.remember_closed(lost_life(life, options_.name, clock_.wall()));
    const std::lock_guard lock(state_.mutex);
    ++state_.lost_told;
}

void Fleet::tell(const std::string& lines, const std::string& listener) {
    SpoolBatch batch;
    batch.lines = lines;
    batch.events = 1;
    batch.listeners.emplace_back(listener, 1);
    spool_.append(std::move(batch));
}

void Fleet::classify() {
    if (!takes_part_) return;
    GatewayBook::Judgement judgement;
    {
        const std::lock_guard lock(state_.mutex);
        judgement = state_.book.classify(clock_.steady());
        for (const std::string& name : judgement.lost) state_.note_lost(name);
        for (const std::string& name : judgement.take_over) state_.presence.lose(name, clock_.wall());
        for (const auto& [name, gateway] : state_.book.all()) {
            if (gateway.lost && gateway.taken_over) state_.presence.still_lost(name);
        }
    }
    if (!options_.on_notice) return;
    for (const std::string& name : judgement.lost) {
        options_.on_notice("gateway " + name + " was lost: no beat for " + std::to_string(options_.lost_after.count()) +
                           " ms");
    }
}

/// Settles the connections of former runs. Survivors finish their marks and reports within `until_survivors_told`.
void Fleet::settle_former() {
    if (former_.empty() || !bound_ || !takes_part_ || !link_.connected()) return;
    FormerLives::Settled settled;
    {
        const std::lock_guard lock(state_.mutex);
        if (!state_.presence.complete()) complete_since_.reset();
        if (state_.presence.complete() && !complete_since_) complete_since_ = clock_.steady();
        if (!complete_since_ || clock_.steady() - *complete_since_ < options_.lost_after + until_survivors_told) return;
        settled = former_.settle(formers_in_a_turn, [this](const std::string& id) -> std::optional<PresenceRecord> {
            const auto found = state_.presence.find(id);
            if (!found) return std::nullopt;
            return found->record;
        });
        state_.lost_told += settled.tell.size();
    }
    for (const std::string& conn : settled.reported_by_fleet) spool_.forget_lost(conn);
    for (const FormerConnection& life : settled.tell) tell(life.closed_line, life.listener);
}

void Fleet::look_up_unresolved() {
    const SteadyTime now = clock_.steady();
    {
        const std::lock_guard lock(state_.mutex);
        for (std::string& id : state_.presence.take_unresolved()) unresolved_.emplace_back(std::move(id), now);
    }
    std::size_t done = 0;
    while (done < unresolved_.size() && now - unresolved_[done].second >= until_looked_up) {
        const std::string& id = unresolved_[done].first;
        if (!devices_->fetch(to_token(id))) break;  // waits for the server; repeated in a later turn
        const std::lock_guard lock(state_.mutex);
        state_.presence.retry(id);
        ++done;
    }
    unresolved_.erase(unresolved_.begin(), unresolved_.begin() + static_cast<std::ptrdiff_t>(done));
}

/// Forgets what was closed long ago, here and in the bucket.
void Fleet::clean() {
    const SteadyTime now = clock_.steady();
    if (now - cleaned_ < between_cleanings || !bound_ || !takes_part_ || !link_.connected()) return;
    cleaned_ = now;
    std::vector<std::pair<std::string, std::uint64_t>> purges;
    std::vector<std::string> gateways;  // long gone
    {
        const std::lock_guard lock(state_.mutex);
        const auto lives = [&](const std::string& name) {
            return state_.book.state_of(name, now) == GatewayState::online;
        };
        gateways = state_.book.long_gone(now - keep_closed);
        for (const std::string& name : gateways) state_.book.removed(name);
        purges = state_.presence.forget(now - keep_closed, purges_in_a_cleaning, lives);
    }
    for (const auto& [id, revision] : purges) devices_->purge(to_token(id), revision);
    for (const std::string& name : gateways) beats_->purge(to_token(name), 0);
}

/// Reports trouble once when it begins, and its end once.
void Fleet::say(const std::string& trouble) {
    bool news = false;
    {
        const std::lock_guard lock(state_.mutex);
        news = trouble.empty() != state_.trouble.empty();
        state_.trouble = trouble;
    }
    if (!news) return;
    if (trouble.empty() && options_.on_recovered) options_.on_recovered();
    if (!trouble.empty() && options_.on_trouble) options_.on_trouble(trouble);
}

void Fleet::stop(milliseconds timeout) {
    if (!thread_.joinable()) return;
    stop_by_ = clock_.steady() + timeout;
    stopping_ = true;
    news_.wake();
    thread_.join();
    reconnected_.reset();
    desk_->stop();
    devices_->stop();
    beats_->stop();
}

}  // namespace holdfast
