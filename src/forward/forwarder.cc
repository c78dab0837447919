#include "forward/forwarder.h"

#include <algorithm>
#include <utility>

#include "forward/nats_client.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

constexpr std::size_t events_in_a_page = 4'096;
constexpr std::size_t bytes_in_a_page = std::size_t{1} << 20;

}  // namespace

void SpoolCursor::restart(Position after) {
    page_ = SpoolPage();
    next_ = 0;
    after_ = after;
    started_ = true;
}

Result<std::span<const SpooledEvent>> SpoolCursor::peek() {
    if (at_end()) {
        auto page = spool_.read(after_, events_in_a_page, bytes_in_a_page);
        if (!page) return page.error();
        page_ = std::move(page).value();
        next_ = 0;
        tell(page_);
        after_ = page_.events.empty() ? std::max(after_, page_.next_after) : page_.events.front().position - 1;
    }
    return std::span<const SpooledEvent>(page_.events).subspan(next_);
}

void SpoolCursor::tell(const SpoolPage& page) {
    for (const MissingRange& range : page.missing) {
        if (range.last <= reported_) continue;
        reported_ = range.last;
        if (on_skipped_) on_skipped_(range);
    }
}

void SpoolCursor::advance(Position last) {
    while (!at_end() && page_.events[next_].position <= last) ++next_;
    after_ = last;
}

namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_bytes_under_way = std::size_t{16} << 20;
constexpr std::size_t publishes_between_acks = 256;
constexpr unsigned failures_of_a_server = 2;
constexpr milliseconds spool_pause{500};  // after its reader has tried several times
constexpr milliseconds ack_wait{2};

}  // namespace

ForwarderStatus Forwarder::status() const {
    const Position last = spool_.status().last;
    ForwarderStatus out = report_.status();
    out.connected = link_.connected();
    out.server = link_.url_in_use();
    out.stream = options_.stream;
    out.reconnects = link_.reconnects();
    out.lag_events = last > out.published ? last - out.published : 0;
    const auto oldest = report_.oldest();
    if (out.lag_events > 0 && oldest) out.lag = std::max(spool_.now() - *oldest, milliseconds(0));
    return out;
}

void Forwarder::stop_within(milliseconds timeout) {
    const std::lock_guard lock(mutex_);
    const auto at = Steady::now() + timeout;
    stop_at_ = stop_at_ ? std::min(*stop_at_, at) : at;
    stopping_.notify_all();
}

void Forwarder::stop(milliseconds timeout) {
    stop_within(timeout);
    if (thread_.joinable()) thread_.join();
}

/// Returns true after stop(), once the spool is published, the connection has ended, or the timeout has passed.
bool Forwarder::ended() {
    std::unique_lock lock(mutex_);
    if (!stop_at_) return false;
    if (Steady::now() >= *stop_at_ || !link_.connected()) return true;
    lock.unlock();
    return window_.empty() && reader_.at_end() && !spool_.wait_for(reader_.next_after(), milliseconds(0));
}

void Forwarder::run() {
    while (!ended()) {
        if (!is_ready()) continue;
        if (!check_stream()) continue;
        check_acks();
        const bool busy = publish_some();
        save_position(false);
        if (!busy) wait_for_news();
    }
    if (inbox_) check_acks();
    save_position(true);
    inbox_.reset();
    nats_ReleaseThreadMemory();
}

/// Returns true if there is a connection that this forwarder has set up.
bool Forwarder::is_ready() {
    const NatsLink::Lease lease = link_.lease();
    const bool connected = link_.connected() && lease.connection != nullptr;
    if (connected && lease.number == lease_.number) {
        connected_at_ = Steady::now();
        return true;
    }
    if (!connected) {
        note_oldest();
        if (Steady::now() - connected_at_ > away_before_trouble) report_.trouble(link_.trouble());
        pause(idle_wait);
        return false;
    }
    set_up(lease);
    return lease.number == lease_.number;
}

/// Publishes the next events. Returns false if nothing can be done before something else happens.
bool Forwarder::publish_some() {
    for (std::size_t i = 0; i < publishes_between_acks; ++i) {
        if (lease_.connection == nullptr) return true;
        if (window_.size() >= options_.window || window_.bytes() >= max_bytes_under_way) return i > 0;
        if (!publish_next()) return i > 0;
    }
    return true;
}

bool Forwarder::publish_next() {
    const auto events = reader_.peek();
    if (!events) {
        if (window_.empty()) wait_for_spool(events.error().message);
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
    check_.memo().rename(spool_id_, message);
    name_anew_if_staged(message);
    return send(message);
}

/// Returns true if there may be more to publish.
bool Forwarder::send(const NatsMessage& message) {
    const bool is_repetition = message.first <= sent_;
    sent_ = std::max(sent_, message.last);  // also if it fails: a part of it may be on its way
    const std::string reply = inbox_->reply_to(round_, window_.next_number());
    if (const auto failed = publish(target_, message, reply)) return take_failure(message, *failed);
    window_.add({.first = message.first,
                 .last = message.last,
                 .bytes = message.body.size(),
                 .committed_at = message.committed_at,
                 .sent = Steady::now(),
                 .is_repetition = is_repetition});
    reader_.advance(message.last);
    if (window_.size() == 1) note_published();
    return true;
}

/// Returns true if there may be more to publish.
bool Forwarder::take_failure(const NatsMessage& message, const PublishFailure& failed) {
    if (failed.unfit) {
        take_unfit(message.first, message.last, message.body.size(), failed.message);
        return true;
    }
    // A closed connection is detected by is_ready(), and is no fault of the message.
    if (link_.connected() && link_.lease().number == lease_.number && !natsConnection_IsClosed(lease_.connection)) {
        cannot_go_on("event " + std::to_string(message.first) + " cannot be published: " + failed.message);
    }
    return false;
}

/// Waits after a failed read of the spool. NATS is not involved.
void Forwarder::wait_for_spool(const std::string& why) {
    report_.trouble(why);
    note_oldest();
    pause(spool_pause);
}

/// Reports a failure once no acknowledgement is outstanding.
void Forwarder::cannot_go_on(const std::string& why) {
    if (window_.empty()) fail(why);
}

/// Reports a failure and backs off. After several in a row, tries another server: this one may be cut off from those
/// that have the stream.
void Forwarder::fail(const std::string& why) {
    report_.trouble(why);
    const milliseconds delay = reconnect_delay(failures_++);
    if (failures_ % failures_of_a_server == 0) link_.change_server();
    pause(delay);
}

void Forwarder::wait_for_news() {
    if (!window_.empty()) {
        inbox_->wait(ack_wait);
        return;
    }
    published_ = std::max(published_, reader_.next_after());  // missing events at the end are complete
    note_published();
    if (reader_.at_end() && !spool_.wait_for(published_, milliseconds(0)) && published_ == saved_) report_.well();
    spool_.wait_for(reader_.next_after(), idle_wait);
}

/// Waits for `timeout`, or until stop().
void Forwarder::pause(milliseconds timeout) {
    std::unique_lock lock(mutex_);
    stopping_.wait_for(lock, timeout, [this] { return stop_at_.has_value(); });
}

/// Records the age of the oldest waiting event while nothing can be published.
void Forwarder::note_oldest() {
    static_cast<void>(find_start());
    if (report_.knows_oldest()) return;
    const auto page = spool_.read(published_, 1, 1);
    if (!page || page.value().events.empty()) return;
    report_.set_oldest(page.value().events.front().committed_at);
}

}  // namespace holdfast
