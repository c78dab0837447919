#include "trend/event_hub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"

namespace holdfast {

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

EventHub::~EventHub() { HOLDFAST_CHECK(subscriptions_.empty()); }

std::unique_ptr<EventHub::Subscription> EventHub::subscribe(Kinds kinds) {
    const std::lock_guard lock(mutex_);
    if (subscriptions_.size() >= most_subscribers) return nullptr;
    auto subscription = std::make_unique<Subscription>(*this, kinds);
    subscriptions_.push_back(subscription.get());
    note_wanted();
    return subscription;
}

void EventHub::leave(const Subscription& subscription) {
    const std::lock_guard lock(mutex_);
    std::erase(subscriptions_, &subscription);
    note_wanted();
}

void EventHub::note_wanted() {
    Kinds wanted = 0;
    for (const Subscription* one : subscriptions_) wanted |= one->kinds_;
    wanted_.store(wanted, std::memory_order_relaxed);
}

void EventHub::publish(FeedKind kind, std::string json) {
    const auto line = std::make_shared<const std::string>(std::move(json));
    const std::lock_guard lock(mutex_);
    for (Subscription* one : subscriptions_) {
        if ((one->kinds_ & bit(kind)) != 0) one->push(kind, line);
    }
}

void EventHub::skip(FeedKind kind, std::uint64_t messages) {
    const std::lock_guard lock(mutex_);
    for (Subscription* one : subscriptions_) {
        if ((one->kinds_ & bit(kind)) != 0) one->skip(messages);
    }
}

std::optional<FeedMessage> EventHub::Subscription::next(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, timeout, [this] { return !waiting_.empty(); });
    if (waiting_.empty() && skipped_ > 0) report_skipped();
    if (waiting_.empty()) return std::nullopt;
    const Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= first.json->size();
    lock.unlock();
    return FeedMessage{first.kind, *first.json};
}

void EventHub::Subscription::push(FeedKind kind, const Line& json) {
    const std::lock_guard lock(mutex_);
    const bool fits = waiting_.size() + 1 < most_waiting && waiting_bytes_ + json->size() <= most_waiting_bytes;
    if (!fits && !waiting_.empty()) {
        ++skipped_;
        return;
    }
    if (skipped_ > 0) report_skipped();
    put(kind, json);
    arrived_.notify_one();
}

void EventHub::Subscription::skip(std::uint64_t messages) {
    const std::lock_guard lock(mutex_);
    skipped_ += messages;
}

void EventHub::Subscription::put(FeedKind kind, Line json) {
    waiting_bytes_ += json->size();
    waiting_.push_back({kind, std::move(json)});
}

void EventHub::Subscription::report_skipped() {
    std::string json = JsonWriter().begin_object().field("skipped", skipped_).end_object().take();
    put(FeedKind::skipped, std::make_shared<const std::string>(std::move(json)));
    skipped_ = 0;
}

}  // namespace holdfast
