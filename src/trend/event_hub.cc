#include "trend/event_hub.h"

#include <algorithm>
#include <random>
#include <utility>

#include <holdfast/events.h>

#include "base/check.h"
#include "model/identity.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t index_of(FeedKind kind) { return static_cast<std::size_t>(kind); }

}  // namespace

const std::array<FeedKind, feed_kind_count> all_feed_kinds{FeedKind::sample, FeedKind::alarm, FeedKind::connected,
                                                           FeedKind::closed, FeedKind::item,  FeedKind::bad_item,
                                                           FeedKind::skipped};

std::string_view to_string(FeedKind kind) noexcept {
    switch (kind) {
        case FeedKind::sample:
            return "sample";
        case FeedKind::alarm:
            return "alarm";
        case FeedKind::connected:
            return "connected";
        case FeedKind::closed:
            return "closed";
        case FeedKind::item:
            return "item";
        case FeedKind::bad_item:
            return "bad_item";
        case FeedKind::skipped:
            return "skipped";
    }
    return "unknown";
}

bool FeedFilter::matches(const FeedSubject& subject) const {
    return (!id || matches_id(*id, subject.id)) && (!key || *key == subject.key) &&
           (!peer || (subject.peer && peer->contains(*subject.peer)));
}

EventHub::EventHub(const Clock* clock) : clock_(clock != nullptr ? *clock : own_clock_), run_(std::random_device()()) {}

EventHub::~EventHub() { HOLDFAST_CHECK(active_.empty()); }

std::unique_ptr<EventHub::Subscription> EventHub::subscribe(Wish wish) {
    const std::lock_guard lock(mutex_);
    if (active_.size() >= max_subscribers) return nullptr;
    auto subscription = std::make_unique<Subscription>(*this, std::move(wish));
    start_at(*subscription, subscription->wish_.after);
    active_.push_back(subscription.get());
    count(subscription->wish_.kinds, true);
    note_wanted();
    return subscription;
}

/// Places a subscription behind the message `after`, or at the end. Without a subscriber of the same wishes since that
/// message, the ring need not have all messages since then.
void EventHub::start_at(Subscription& subscription, const std::string& after) const {
    subscription.began_ = subscription.next_ = end();
    subscription.passed_ = put_;
    if (after.empty()) return;
    const auto last = parse_connection_id(after);
    const bool is_own = last && last->run == run_ && last->number < end();
    subscription.has_gap_ = !is_own || last->number + 1 < first_ || !was_followed(subscription, last->number + 1);
    if (!is_own) return;
    subscription.began_ = subscription.next_ = std::max(last->number + 1, first_);
    for (std::uint64_t number = subscription.next_; number < end(); ++number) {
        const Entry& entry = ring_[number - first_];
        subscription.passed_[index_of(entry.kind)] -= entry.messages;
    }
}

bool EventHub::was_followed(const Subscription& subscription, std::uint64_t number) const {
    const auto covers = [&](Kinds kinds, const FeedFilter& filter, std::uint64_t began) {
        return (subscription.wish_.kinds & ~kinds) == 0 && filter == subscription.wish_.filter && began <= number;
    };
    return std::any_of(departed_.begin(), departed_.end(),
                       [&](const Departed& gone) { return covers(gone.kinds, gone.filter, gone.began); }) ||
           std::any_of(active_.begin(), active_.end(), [&](const Subscription* other) {
               return covers(other->wish_.kinds, other->wish_.filter, other->began_);
           });
}

EventHub::Subscription::~Subscription() {
    const std::lock_guard lock(hub_.mutex_);
    std::erase(hub_.active_, this);
    if (wish_.resumable) {
        hub_.depart(*this);
    } else {
        hub_.count(wish_.kinds, false);
    }
    hub_.note_wanted();
    while (hub_.is_idle() && !hub_.ring_.empty()) hub_.drop_oldest();
}

void EventHub::depart(const Subscription& subscription) {
    if (departed_.size() >= max_departed) {
        count(departed_.front().kinds, false);
        departed_.pop_front();
    }
    departed_.push_back(
        {subscription.wish_.kinds, subscription.wish_.filter, subscription.began_, clock_.steady() + resumable_for});
}

void EventHub::forget_departed() {
    if (departed_.empty() || clock_.steady() < departed_.front().until) return;
    while (!departed_.empty() && clock_.steady() >= departed_.front().until) {
        count(departed_.front().kinds, false);
        departed_.pop_front();
    }
    note_wanted();
}

void EventHub::count(Kinds kinds, bool more) {
    for (const FeedKind kind : all_feed_kinds) {
        if ((kinds & bit(kind)) != 0) more ? ++wanting_[index_of(kind)] : --wanting_[index_of(kind)];
    }
}

void EventHub::note_wanted() {
    Kinds wanted = 0;
    for (const FeedKind kind : all_feed_kinds) wanted |= wanting_[index_of(kind)] > 0 ? bit(kind) : 0;
    version_.fetch_add(1, std::memory_order_relaxed);
    wanted_.store(wanted, std::memory_order_relaxed);
}

EventHub::Interest EventHub::interest(FeedKind kind, const FeedSubject& subject, Interests& interests) {
    if (interests.version != version_.load(std::memory_order_relaxed)) {
        const std::lock_guard lock(mutex_);
        interests = {.version = version_.load(std::memory_order_relaxed)};
        const auto take = [&](Kinds kinds, const FeedFilter& filter) {
            if (filter.is_empty()) {
                interests.unfiltered |= kinds;
            } else {
                interests.filtered.emplace_back(kinds, filter);
            }
        };
        for (const Subscription* each : active_) take(each->wish_.kinds, each->wish_.filter);
        for (const Departed& each : departed_) take(each.kinds, each.filter);
    }
    for (const auto& [kinds, filter] : interests.filtered) {
        if ((kinds & bit(kind)) != 0 && filter.matches(subject)) return Interest::chosen;
    }
    return (interests.unfiltered & bit(kind)) != 0 ? Interest::any : Interest::none;
}

void EventHub::publish(FeedKind kind, std::string json, const FeedSubject& subject) {
    if (!wanted(kind)) return;
    put({.kind = kind,
         .json = std::make_shared<const std::string>(std::move(json)),
         .id = std::string(subject.id),
         .key = std::string(subject.key),
         .peer = subject.peer});
}

void EventHub::skip(FeedKind kind, std::uint64_t messages, Interest interest) {
    if (wanted(kind)) put({.kind = kind, .messages = messages, .chosen = interest == Interest::chosen});
}

void EventHub::put(Entry entry) {
    const std::lock_guard lock(mutex_);
    forget_departed();
    if (is_idle()) {
        while (!ring_.empty()) drop_oldest();
        return;
    }
    put_[index_of(entry.kind)] += entry.messages;
    bytes_ += entry.json ? entry.json->size() : 0;
    ring_.push_back(std::move(entry));
    while (ring_.size() > max_waiting || (bytes_ > max_waiting_bytes && ring_.size() > 1)) drop_oldest();
    for (const Wake* wake : wakes_) wake->wake_();
}

void EventHub::drop_oldest() {
    const Entry& oldest = ring_.front();
    dropped_[index_of(oldest.kind)] += oldest.messages;
    bytes_ -= oldest.json ? oldest.json->size() : 0;
    ring_.pop_front();
    ++first_;
}

std::unique_ptr<EventHub::Wake> EventHub::on_message(std::function<void()> wake) {
    auto made = std::make_unique<Wake>(*this, std::move(wake));
    const std::lock_guard lock(mutex_);
    wakes_.push_back(made.get());
    return made;
}

EventHub::Wake::~Wake() {
    const std::lock_guard lock(hub_.mutex_);
    std::erase(hub_.wakes_, this);
}

bool EventHub::Subscription::wants(const Entry& entry) const {
    if ((wish_.kinds & bit(entry.kind)) == 0) return false;
    if (wish_.filter.is_empty()) return true;
    if (!entry.json) return entry.chosen;
    return wish_.filter.matches({.id = entry.id, .key = entry.key, .peer = entry.peer});
}

std::optional<FeedMessage> EventHub::Subscription::next() {
    const std::lock_guard lock(hub_.mutex_);
    catch_up();
    if (has_gap_) return take_skipped();
    for (; next_ < hub_.end(); ++next_) {
        const Entry& entry = hub_.ring_[next_ - hub_.first_];
        const bool wanted = wants(entry);
        if (wanted && entry.json && skipped_ > 0) return take_skipped();
        passed_[index_of(entry.kind)] += entry.messages;
        if (wanted && !entry.json) skipped_ += entry.messages;
        if (!wanted || !entry.json) continue;
        ++next_;
        return FeedMessage{entry.kind, *entry.json, id_before()};
    }
    return skipped_ > 0 ? std::optional(take_skipped()) : std::nullopt;
}

/// Counts the entries that left the ring unread: for each kind, the dropped ones beyond those that it has passed.
void EventHub::Subscription::catch_up() {
    if (next_ >= hub_.first_) return;
    next_ = hub_.first_;
    for (const FeedKind kind : all_feed_kinds) {
        const std::uint64_t missed = hub_.dropped_[index_of(kind)] - passed_[index_of(kind)];
        passed_[index_of(kind)] += missed;
        if ((wish_.kinds & bit(kind)) != 0) skipped_ += missed;
    }
}

FeedMessage EventHub::Subscription::take_skipped() {
    JsonWriter json;
    json.begin_object().field("skipped", std::exchange(skipped_, 0));
    if (std::exchange(has_gap_, false)) json.field("gap", true);
    return {FeedKind::skipped, json.end_object().take(), id_before()};
}

std::string EventHub::Subscription::id_before() const {
    return to_string(ConnectionId{hub_.run_, next_ > 0 ? next_ - 1 : 0});
}

}  // namespace holdfast
