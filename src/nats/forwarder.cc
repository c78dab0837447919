#include "nats/forwarder.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/printable.h"
#include "base/units.h"
#include "nats/ack_inbox.h"
#include "nats/link_options.h"
#include "nats/message.h"
#include "nats/publish.h"
#include "nats/spool_cursor.h"
#include "nats/stream_setup.h"
#include "nats/unfit_events.h"
#include "nats/window.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds away_before_trouble{1'000};
constexpr milliseconds save_interval{100};
constexpr std::uint64_t save_messages = 1'000;
constexpr std::size_t most_bytes_under_way = std::size_t{16} << 20;
constexpr std::size_t most_bytes_in_a_batch = std::size_t{512} << 10;
constexpr std::size_t room_for_headers = 1'024;
constexpr std::size_t publishes_between_acks = 256;
constexpr unsigned failures_of_a_server = 2;
constexpr std::chrono::minutes dead_letter_shows{10};
constexpr milliseconds idle_wait{50};
constexpr milliseconds ack_wait{2};

class SpoolForwarder final : public Forwarder {
public:
    SpoolForwarder(Spool& spool, NatsLink& link, ForwarderOptions options)
        : spool_(spool),
          link_(link),
          options_(std::move(options)),
          spool_id_(spool.status().id),
          reader_(spool, options_.on_skipped),
          thread_([this] { run(); }) {}

    ~SpoolForwarder() override { stop(milliseconds(0)); }

    [[nodiscard]] ForwarderStatus status() const override;
    void stop(milliseconds patience) override;
    void give_up() override { stop_within(milliseconds(0)); }

private:
    void stop_within(milliseconds patience);
    void run();
    [[nodiscard]] bool ended();
    [[nodiscard]] bool find_start();
    [[nodiscard]] bool is_ready();
    void set_up(NatsLink::Lease lease);
    void look_at_acks();
    void note_published();
    [[nodiscard]] bool publish_some();
    [[nodiscard]] bool publish_next();
    [[nodiscard]] bool take_failure(const NatsMessage& message, const PublishFailure& failed);
    void take_unfit(Position first, Position last, std::size_t bytes, const std::string& why);
    void name_anew_if_staged(NatsMessage& message);
    void cannot_go_on(const std::string& why);
    void go_back(const std::string& why);
    void save_position(bool now);
    void wait_for_news();
    void pause(milliseconds patience);
    void fail(const std::string& why);
    void trouble(const std::string& error);
    void well();
    void note_oldest();
    void count(std::uint64_t ForwarderStatus::*figure, std::uint64_t more) {
        const std::lock_guard lock(mutex_);
        status_.*figure += more;
    }

    Spool& spool_;
    NatsLink& link_;
    const ForwarderOptions options_;
    const std::string spool_id_;

    // Of thread_.
    SpoolCursor reader_;
    PublishWindow window_;
    std::optional<MessageMaker> maker_;
    NatsLink::Lease lease_;
    std::unique_ptr<AckInbox> inbox_;      // after lease_: its connection
    std::deque<Position> bounds_;          // of messages that may have been sent before
    std::map<Position, unsigned> staged_;  // how often those beginning there came back so
    UnfitEvents unfit_;
    std::uint64_t round_ = 0;
    Position published_ = 0;
    Position saved_ = 0;
    std::uint64_t unsaved_messages_ = 0;
    Steady::time_point saved_at_ = Steady::now();
    Steady::time_point connected_at_ = Steady::now();
    unsigned failures_ = 0;  // in a row
    std::uint64_t told_ready_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable stopping_;
    std::optional<Steady::time_point> stop_at_;  // guarded by mutex_, as what follows
    ForwarderStatus status_;
    Steady::time_point dead_letter_at_;
    std::optional<WallTime> oldest_;  // on the spool's clock: when the first that is not published was committed

    std::thread thread_;  // last: it uses the others
};

ForwarderStatus SpoolForwarder::status() const {
    const Position last = spool_.status().last;
    const std::string url = link_.url_in_use();
    const std::lock_guard lock(mutex_);
    ForwarderStatus out = status_;
    if (Steady::now() - dead_letter_at_ > dead_letter_shows) out.dead_letter.clear();
    out.connected = link_.connected();
    out.server = url;
    out.reconnects = link_.reconnects();
    out.lag_events = last > out.published ? last - out.published : 0;
    if (out.lag_events > 0 && oldest_) {
        out.lag = std::max(spool_.now() - *oldest_, milliseconds(0));
    }
    return out;
}

void SpoolForwarder::stop_within(milliseconds patience) {
    const std::lock_guard lock(mutex_);
    const auto at = Steady::now() + patience;
    stop_at_ = stop_at_ ? std::min(*stop_at_, at) : at;
    stopping_.notify_all();
}

void SpoolForwarder::stop(milliseconds patience) {
    stop_within(patience);
    if (thread_.joinable()) thread_.join();
}

/// What there is goes out first if it can, within the patience of stop().
bool SpoolForwarder::ended() {
    std::unique_lock lock(mutex_);
    if (!stop_at_) return false;
    if (Steady::now() >= *stop_at_ || !link_.connected()) return true;
    lock.unlock();
    return window_.empty() && reader_.at_end() && !spool_.wait_for(reader_.next_after(), milliseconds(0));
}

void SpoolForwarder::run() {
    while (!ended()) {
        if (!is_ready()) continue;
        look_at_acks();
        const bool busy = publish_some();
        save_position(false);
        if (!busy) wait_for_news();
    }
    if (inbox_) look_at_acks();
    save_position(true);
    inbox_.reset();
    nats_ReleaseThreadMemory();
}

/// True if there is a connection that this has set up.
bool SpoolForwarder::is_ready() {
    const NatsLink::Lease lease = link_.lease();
    const bool connected = link_.connected() && lease.connection != nullptr;
    if (connected && lease.number == lease_.number) {
        connected_at_ = Steady::now();
        return true;
    }
    if (!connected) {
        note_oldest();
        if (Steady::now() - connected_at_ > away_before_trouble) trouble(link_.trouble());
        pause(idle_wait);
        return false;
    }
    set_up(lease);
    return lease.number == lease_.number;
}

void SpoolForwarder::set_up(NatsLink::Lease lease) {
    if (!find_start()) return;
    const NatsServerFacts server = link_.facts();
    if (server.version.empty()) {  // whether it is in a cluster decides how many replicas a new stream gets
        note_oldest();
        const std::string why = link_.trouble();
        if (!why.empty() && Steady::now() - connected_at_ > away_before_trouble) trouble(why);
        return pause(idle_wait);
    }
    auto stream = set_up_stream(lease, server, {options_.stream, event_subjects(options_.prefix), options_.replicas});
    auto inbox = AckInbox::open(lease);
    if (!stream || !inbox) {
        note_oldest();
        return fail(!stream ? stream.error().message : inbox.error().message);
    }
    inbox_ = std::move(inbox).value();
    lease_ = std::move(lease);
    const auto most_bytes = static_cast<std::size_t>(natsConnection_GetMaxPayload(lease_.connection));
    maker_.emplace(options_.prefix, spool_id_, options_.batch,
                   std::min(most_bytes_in_a_batch, most_bytes - std::min(most_bytes, room_for_headers)));
    const std::string guarantee = guarantee_text(stream.value(), server);
    {
        const std::lock_guard lock(mutex_);
        status_.guarantee = guarantee;
    }
    const bool is_new = std::exchange(told_ready_, lease_.number) != lease_.number;
    const bool is_small = is_new && options_.largest_event > most_bytes;
    if (is_small && options_.on_small_payload) options_.on_small_payload(most_bytes);
    if (options_.on_ready && is_new) options_.on_ready(link_.url_in_use(), guarantee);
    go_back("");
}

/// The group's position, once it can be read.
bool SpoolForwarder::find_start() {
    if (reader_.started()) return true;
    for (const SpoolGroup& group : spool_.groups()) {
        if (group.name == options_.group) published_ = group.position;
    }
    saved_ = published_;
    reader_.restart(published_);
    const std::lock_guard lock(mutex_);
    status_.published = published_;
    return true;
}

void SpoolForwarder::look_at_acks() {
    std::string refusal;
    std::uint64_t duplicates = 0;
    bool unfit = false;
    for (PublishAck& ack : inbox_->take(round_)) {
        if (ack.kind == PublishAck::Kind::stored || ack.kind == PublishAck::Kind::duplicate) {
            window_.acknowledge(ack.number);
            duplicates += ack.kind == PublishAck::Kind::duplicate ? 1 : 0;
        } else if (ack.kind == PublishAck::Kind::staged) {
            window_.note_staged(ack.number);
        } else if (ack.kind == PublishAck::Kind::unfit) {
            if (const auto* message = window_.find(ack.number)) {
                take_unfit(message->first, message->last, message->bytes, ack.error);
                unfit = true;
            }
        } else if (refusal.empty()) {
            refusal = ack.kind == PublishAck::Kind::nobody
                          ? "nobody takes it: the stream " + in_quotes(options_.stream) + " or its leader is away"
                          : ack.error;
        }
    }
    const std::uint64_t taken = window_.take_acknowledged(published_);
    unsaved_messages_ += taken;
    if (taken > 0) {
        note_published();
        failures_ = 0;
        if (refusal.empty()) well();
    }
    count(&ForwarderStatus::duplicates, duplicates);
    if (!refusal.empty()) {
        go_back(refusal);
        lease_ = {};  // look at the stream anew
    } else if (unfit) {
        go_back("");  // at once: what is behind it is not to wait
    } else if (!window_.empty() && Steady::now() - window_.oldest().sent > options_.ack_patience) {
        go_back("no acknowledgement within " + format_duration(options_.ack_patience));
        lease_ = {};
    }
}

void SpoolForwarder::note_published() {
    const std::lock_guard lock(mutex_);
    status_.published = published_;
    oldest_ = window_.empty() ? std::nullopt : std::optional(window_.oldest().committed_at);
}

/// Everything that has not been acknowledged is sent again. An empty `why`: over a new connection, without a fault.
void SpoolForwarder::go_back(const std::string& why) {
    const bool resends = !window_.empty();
    for (const Position first : window_.staged()) ++staged_[first];
    std::deque<Position> bounds = window_.go_back();
    bounds.insert(bounds.end(), bounds_.begin(), bounds_.end());  // what was still to be repeated
    bounds_ = std::move(bounds);
    ++round_;
    reader_.restart(published_);
    count(&ForwarderStatus::retries, resends ? 1 : 0);
    if (why.empty()) return;
    fail("JetStream does not take event " + std::to_string(published_ + 1) + ": " + why + ": it is tried again");
}

/// False if there is nothing to be done before something has happened.
bool SpoolForwarder::publish_some() {
    for (std::size_t i = 0; i < publishes_between_acks; ++i) {
        if (lease_.connection == nullptr) return true;
        if (window_.size() >= options_.window || window_.bytes() >= most_bytes_under_way) return i > 0;
        if (!publish_next()) return i > 0;
    }
    return true;
}

bool SpoolForwarder::publish_next() {
    const auto events = reader_.peek();
    if (!events) {
        cannot_go_on(events.error().message);
        return false;
    }
    if (events.value().empty()) return false;
    while (!bounds_.empty() && bounds_.front() < events.value()[0].position) bounds_.pop_front();
    unfit_.forget_up_to(published_);
    const SpooledEvent& event = events.value()[0];
    const UnfitEvents::Unfit* unfit = unfit_.find(event.position);
    if (unfit != nullptr && unfit->instead == UnfitEvents::Instead::nothing) {
        reader_.advance(event.position);
        return true;
    }
    const Position bound = unfit_.bound_of(event.position, bounds_.empty() ? 0 : bounds_.front());
    NatsMessage message =
        unfit != nullptr ? maker_->dead_letter(event, unfit->why) : maker_->make(events.value(), bound);
    name_anew_if_staged(message);
    const std::string reply = inbox_->reply_to(round_, window_.next_number());
    if (const auto failed = publish(lease_.connection, message, spool_id_, reply))
        return take_failure(message, *failed);
    window_.add({message.first, message.last, message.body.size(), message.committed_at, Steady::now(), false});
    reader_.advance(message.last);
    if (window_.size() == 1) note_published();
    return true;
}

/// Returns true if there may be more to publish.
bool SpoolForwarder::take_failure(const NatsMessage& message, const PublishFailure& failed) {
    if (failed.unfit) {
        take_unfit(message.first, message.last, message.body.size(), failed.message);
        return true;
    }
    // A connection that has just gone is noticed by is_ready(), and is no fault of the message.
    if (link_.connected() && link_.lease().number == lease_.number && !natsConnection_IsClosed(lease_.connection)) {
        cannot_go_on("event " + std::to_string(message.first) + " cannot be published: " + failed.message);
    }
    return false;
}

/// A batch is made smaller, an event becomes a dead letter, and a dead letter that is not taken either is left out.
void SpoolForwarder::take_unfit(Position first, Position last, std::size_t bytes, const std::string& why) {
    if (first != last) return maker_->limit_bytes(bytes / 2);
    const UnfitEvents::Refusal refusal = unfit_.refuse(first, why);
    {
        const std::lock_guard lock(mutex_);
        status_.dead_letters += refusal.first ? 1 : 0;
        status_.dead_letter = refusal.what;
        dead_letter_at_ = Steady::now();
    }
    if (options_.on_dead_letter) options_.on_dead_letter(refusal.what);
}

/// One whose id a former leader has taken with it would be held for known until duplicate_window is over: it may come
/// to be there twice, but it comes.
void SpoolForwarder::name_anew_if_staged(NatsMessage& message) {
    staged_.erase(staged_.begin(), staged_.upper_bound(published_));
    const auto found = staged_.find(message.first);
    if (found != staged_.end() && found->second > 1) message.id += "~" + std::to_string(found->second - 1);
}

/// What is under way goes first: its acknowledgements are still to come.
void SpoolForwarder::cannot_go_on(const std::string& why) {
    if (window_.empty()) fail(why);
}

/// After some in a row another server is asked: this one may be cut off from those that have the stream.
void SpoolForwarder::fail(const std::string& why) {
    trouble(why);
    const milliseconds delay = reconnect_delay(failures_++);
    if (failures_ % failures_of_a_server == 0) link_.change_server();
    pause(delay);
}

void SpoolForwarder::save_position(bool now) {
    if (published_ == saved_) return;
    const bool due = unsaved_messages_ >= save_messages || Steady::now() - saved_at_ >= save_interval;
    if (!due && !now) return;
    saved_at_ = Steady::now();
    unsaved_messages_ = 0;
    if (auto error = spool_.set_position(options_.group, published_)) {
        trouble("the position of group " + in_quotes(options_.group) + " cannot be saved: " + error->message);
        return;
    }
    saved_ = published_;
}

void SpoolForwarder::wait_for_news() {
    if (!window_.empty()) {
        inbox_->wait(ack_wait);
        return;
    }
    published_ = std::max(published_, reader_.next_after());  // what is missing at the end is done with
    note_published();
    if (reader_.at_end() && !spool_.wait_for(published_, milliseconds(0)) && published_ == saved_) well();
    spool_.wait_for(reader_.next_after(), idle_wait);
}

/// Ends early when it is to stop.
void SpoolForwarder::pause(milliseconds patience) {
    std::unique_lock lock(mutex_);
    stopping_.wait_for(lock, patience, [this] { return stop_at_.has_value(); });
}

void SpoolForwarder::trouble(const std::string& error) {
    bool begins = false;
    {
        const std::lock_guard lock(mutex_);
        begins = status_.error.empty();
        status_.error = error;
    }
    if (begins && options_.on_trouble) options_.on_trouble(error);
}

void SpoolForwarder::well() {
    {
        const std::lock_guard lock(mutex_);
        if (status_.error.empty()) return;
        status_.error.clear();
    }
    if (options_.on_recovered) options_.on_recovered();
}

/// While nothing can be published: how old what waits is.
void SpoolForwarder::note_oldest() {
    static_cast<void>(find_start());
    {
        const std::lock_guard lock(mutex_);
        if (oldest_) return;
    }
    const auto page = spool_.read(published_, 1, 1);
    if (!page || page.value().events.empty()) return;
    const std::lock_guard lock(mutex_);
    oldest_ = page.value().events.front().committed_at;
}

}  // namespace

std::unique_ptr<Forwarder> Forwarder::start(Spool& spool, NatsLink& link, ForwarderOptions options) {
    return std::make_unique<SpoolForwarder>(spool, link, std::move(options));
}

}  // namespace holdfast
