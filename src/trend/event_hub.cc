#include "trend/event_hub.h"

#include <utility>

#include "base/check.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

constexpr std::size_t index_of(FeedKind kind) { return static_cast<std::size_t>(kind); }

}  // namespace

const std::array<FeedKind, feed_kind_count> all_feed_kinds{FeedKind::sample, FeedKind::alarm, FeedKind::connected,
                                                           FeedKind::closed, FeedKind::item,  FeedKind::skipped};

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
        case FeedKind::skipped:
            return "skipped";
    }
    return "unknown";
}

EventHub::~EventHub() { HOLDFAST_CHECK(subscribers_ == 0); }

std::unique_ptr<EventHub::Subscription> EventHub::subscribe(Kinds kinds) {
    const std::lock_guard lock(mutex_);
    if (subscribers_ >= max_subscribers) return nullptr;
    auto subscription = std::make_unique<Subscription>(*this, kinds, end(), put_);
    ++subscribers_;
    for (const FeedKind kind : all_feed_kinds) wanting_[index_of(kind)] += (kinds & bit(kind)) != 0 ? 1 : 0;
    note_wanted();
    return subscription;
}

EventHub::Subscription::~Subscription() {
    const std::lock_guard lock(hub_.mutex_);
    --hub_.subscribers_;
    for (const FeedKind kind : all_feed_kinds) hub_.wanting_[index_of(kind)] -= (kinds_ & bit(kind)) != 0 ? 1 : 0;
    hub_.note_wanted();
    while (hub_.subscribers_ == 0 && !hub_.ring_.empty()) hub_.drop_oldest();
}

void EventHub::note_wanted() {
    Kinds wanted = 0;
    for (const FeedKind kind : all_feed_kinds) wanted |= wanting_[index_of(kind)] > 0 ? bit(kind) : 0;
    wanted_.store(wanted, std::memory_order_relaxed);
}

void EventHub::publish(FeedKind kind, std::string json) {
    if (wanted(kind)) put({.kind = kind, .json = std::make_shared<const std::string>(std::move(json))});
}

void EventHub::skip(FeedKind kind, std::uint64_t messages) {
    if (wanted(kind)) put({.kind = kind, .messages = messages});
}

void EventHub::put(Entry entry) {
    const std::lock_guard lock(mutex_);
    if (subscribers_ == 0) return;
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

std::optional<FeedMessage> EventHub::Subscription::next() {
    const std::lock_guard lock(hub_.mutex_);
    catch_up();
    for (; next_ < hub_.end(); ++next_) {
        const Entry& entry = hub_.ring_[next_ - hub_.first_];
        const bool wanted = (kinds_ & bit(entry.kind)) != 0;
        if (wanted && entry.json && skipped_ > 0) return take_skipped();
        passed_[index_of(entry.kind)] += entry.messages;
        if (wanted && !entry.json) skipped_ += entry.messages;
        if (!wanted || !entry.json) continue;
        ++next_;
        return FeedMessage{entry.kind, *entry.json};
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
        if ((kinds_ & bit(kind)) != 0) skipped_ += missed;
    }
}

FeedMessage EventHub::Subscription::take_skipped() {
    const std::uint64_t skipped = std::exchange(skipped_, 0);
    return {FeedKind::skipped, JsonWriter().begin_object().field("skipped", skipped).end_object().take()};
}

}  // namespace holdfast
