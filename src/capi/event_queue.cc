#include "capi/event_queue.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "capi/durable_events.h"

namespace holdfast {

hf_text EventBatch::keep(std::string_view text) {
    const std::size_t offset = texts_.size();
    texts_.insert(texts_.end(), text.begin(), text.end());
    return {reinterpret_cast<const char*>(offset), text.size()};
}

void EventBatch::resolve() {
    for (hf_event& event : events_) {
        for (hf_text* text : {&event.listener, &event.peer, &event.id, &event.session, &event.key, &event.body,
                              &event.reason, &event.detail}) {
            text->data = texts_.data() + reinterpret_cast<std::uintptr_t>(text->data);
        }
    }
}

void EventQueue::push(EventBatch batch) {
    const std::lock_guard lock(mutex_);
    waiting_.events += batch.events().size();
    waiting_.bytes += batch.bytes();
    batches_.push_back(std::move(batch));
    batches_.back().resolve();  // a deque does not move its elements
    more_.notify_one();
}

void EventQueue::finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    more_.notify_all();
}

bool EventQueue::is_full() const {
    const std::lock_guard lock(mutex_);
    return waiting_.bytes >= max_bytes_;
}

EventQueue::Waiting EventQueue::waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
}

bool EventQueue::wait_for_more(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds timeout) {
    const auto ready = [this] { return !batches_.empty() || finished_; };
    if (timeout.count() >= 0) return more_.wait_for(lock, timeout, ready);
    more_.wait(lock, ready);
    return true;
}

std::int32_t EventQueue::fetch(hf_event* events, std::size_t max, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    lent_.clear();
    if (!wait_for_more(lock, timeout)) return 0;
    if (batches_.empty()) return HF_ENDED;
    std::size_t count = 0;
    while (count < max && !batches_.empty()) {
        EventBatch& first = batches_.front();
        const std::size_t left = first.events().size() - taken_;
        const std::size_t some = std::min(left, max - count);
        std::copy_n(first.events().begin() + static_cast<std::ptrdiff_t>(taken_), some, events + count);
        count += some;
        taken_ += some;
        if (some < left) break;
        waiting_.bytes -= first.bytes();
        taken_ = 0;
        if (first.handler()) not_durable_.push_back({fetched_ + count, first.handler(), first.calls()});
        lent_.push_back(std::move(first));
        batches_.pop_front();
    }
    waiting_.events -= count;
    fetched_ += count;
    return static_cast<std::int32_t>(count);
}

bool EventQueue::note_durable(std::uint64_t count) {
    const std::lock_guard order(telling_);  // counts grow, whichever threads call
    std::deque<Fetched> durable;
    {
        const std::lock_guard lock(mutex_);
        if (count > fetched_) return false;
        for (; !not_durable_.empty() && not_durable_.front().end <= count; not_durable_.pop_front())
            durable.push_back(std::move(not_durable_.front()));
    }
    for (const Fetched& batch : durable) batch.handler->tell(batch.calls);
    return true;
}

}  // namespace holdfast
