#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// Kinds of live messages. The words are the `event:` names of the stream.
enum class FeedKind : std::uint8_t { sample, alarm, connected, closed, item, skipped };
inline constexpr std::size_t feed_kind_count = 6;
extern const std::array<FeedKind, feed_kind_count> all_feed_kinds;
[[nodiscard]] std::string_view to_string(FeedKind kind) noexcept;

struct FeedMessage {
    FeedKind kind{};
    std::string json;  ///< one line, without its end
};

/// Distributes live messages to subscribers (GET /v1/events). A slow subscriber misses messages and receives their
/// number as `skipped`; publishers never wait. Any thread; subscriptions must end before the hub does.
class EventHub {
public:
    static constexpr std::size_t most_subscribers = 16;
    static constexpr std::size_t most_waiting = 1'024;                    ///< messages, per subscriber
    static constexpr std::size_t most_waiting_bytes = 4UL * 1024 * 1024;  ///< per subscriber, unless it is one message

    class Subscription;
    using Kinds = std::uint32_t;  ///< a bit for each FeedKind
    [[nodiscard]] static constexpr Kinds bit(FeedKind kind) { return 1U << static_cast<unsigned>(kind); }

    EventHub() = default;
    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;
    ~EventHub();

    /// Returns nullptr if there are most_subscribers already.
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Kinds kinds);

    /// Returns whether a subscriber wants such messages; check it before making one. No lock.
    [[nodiscard]] bool wanted(FeedKind kind) const noexcept {
        return (wanted_.load(std::memory_order_relaxed) & bit(kind)) != 0;
    }
    void publish(FeedKind kind, std::string json);
    /// Reports messages of a kind that were not made, because they were too many, to the kind's subscribers.
    void skip(FeedKind kind, std::uint64_t messages);

private:
    void leave(const Subscription& subscription);
    void note_wanted();  // under mutex_

    std::mutex mutex_;
    std::vector<Subscription*> subscriptions_;  // guarded by mutex_
    std::atomic<Kinds> wanted_{0};
};

/// Queue of one subscriber. Used by the subscriber's thread.
class EventHub::Subscription {
public:
    Subscription(EventHub& hub, Kinds kinds) : hub_(hub), kinds_(kinds) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { hub_.leave(*this); }

    /// Returns the next message, or nullopt if none comes in time. `skipped` takes the place of missing messages.
    [[nodiscard]] std::optional<FeedMessage> next(std::chrono::milliseconds timeout);

private:
    friend class EventHub;
    using Line = std::shared_ptr<const std::string>;  // shared with the other subscribers
    struct Waiting {
        FeedKind kind{};
        Line json;
    };

    void push(FeedKind kind, const Line& json);
    void skip(std::uint64_t messages);
    void put(FeedKind kind, Line json);  // under mutex_
    void report_skipped();               // under mutex_

    EventHub& hub_;
    const Kinds kinds_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<Waiting> waiting_;    // guarded by mutex_
    std::size_t waiting_bytes_ = 0;  // guarded by mutex_
    std::uint64_t skipped_ = 0;      // guarded by mutex_; not reported yet
};

}  // namespace holdfast
