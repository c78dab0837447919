#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/c.h>

namespace holdfast {

class DurableEvents;

/// Events of a turn, with their texts in one block. Until resolve(), hf_text::data is an offset. A value.
class EventBatch {
public:
    /// Appends a copy of a text, and refers to it.
    [[nodiscard]] hf_text keep(std::string_view text);
    void add(const hf_event& event) { events_.push_back(event); }

    /// Makes the references valid. The batch must not change or move after that.
    void resolve();

    /// Sets the handler whose first `calls` calls are durable as soon as this batch and all earlier ones are.
    void ends_at(std::shared_ptr<DurableEvents> handler, std::uint64_t calls) {
        handler_ = std::move(handler);
        calls_ = calls;
    }

    [[nodiscard]] const std::shared_ptr<DurableEvents>& handler() const { return handler_; }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    [[nodiscard]] bool empty() const { return events_.empty(); }
    [[nodiscard]] const std::vector<hf_event>& events() const { return events_; }
    [[nodiscard]] std::size_t bytes() const { return texts_.size() + events_.size() * sizeof(hf_event); }

private:
    std::vector<char> texts_;  // a moved std::string may leave its bytes behind
    std::vector<hf_event> events_;
    std::shared_ptr<DurableEvents> handler_;  // null: nothing waits until the events are durable
    std::uint64_t calls_ = 0;
};

/// Passes events from the reactors to one consumer. Bounded: is_full() pauses the reactors. Any thread.
class EventQueue {
public:
    explicit EventQueue(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    void push(EventBatch batch);
    /// Marks the end of all events.
    void finish();
    [[nodiscard]] bool is_full() const;

    /// Waits for events and copies up to `max` of them, whose texts live until the next call. Returns their number, 0
    /// at the timeout (negative: none), or HF_ENDED. One thread at a time.
    [[nodiscard]] std::int32_t fetch(hf_event* events, std::size_t max, std::chrono::milliseconds timeout);

    /// Notifies the handlers that the first `count` fetched events are durable. A handler learns of whole batches.
    /// Returns false if fewer were fetched.
    [[nodiscard]] bool note_durable(std::uint64_t count);

    struct Waiting {
        std::size_t events = 0;
        std::size_t bytes = 0;
    };
    [[nodiscard]] Waiting waiting() const;

private:
    [[nodiscard]] bool wait_for_more(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds timeout);

    /// The end of a fetched batch.
    struct Fetched {
        std::uint64_t end = 0;  ///< events fetched up to it
        std::shared_ptr<DurableEvents> handler;
        std::uint64_t calls = 0;
    };

    const std::size_t max_bytes_;
    std::mutex telling_;        // held while handlers are notified; before mutex_
    mutable std::mutex mutex_;  // guards the members below
    std::condition_variable more_;
    std::deque<EventBatch> batches_;
    std::size_t taken_ = 0;  // events of the first batch that the consumer has
    Waiting waiting_;
    bool finished_ = false;
    std::uint64_t fetched_ = 0;
    std::deque<Fetched> not_durable_;
    std::deque<EventBatch> lent_;  // whose texts the consumer uses; its thread alone
};

}  // namespace holdfast
