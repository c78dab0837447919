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
#include <vector>

namespace holdfast {

/// What is told live. The words are the `event:` names of the stream.
enum class FeedKind : std::uint8_t { sample, alarm, connected, closed, item, skipped };
inline constexpr std::size_t feed_kind_count = 6;

struct FeedMessage {
    FeedKind kind{};
    std::string json;  ///< one line
};

/// Hands live messages to those who watch (GET /v1/events). A subscriber that does not keep up misses messages and is
/// told how many by `skipped`; nobody waits for it. Any thread; subscriptions must end before the hub does.
class EventHub {
public:
    static constexpr std::size_t most_subscribers = 16;
    static constexpr std::size_t most_waiting = 1'024;  ///< messages, of one subscriber

    class Subscription;
    using Kinds = std::uint32_t;  ///< a bit for each FeedKind
    [[nodiscard]] static constexpr Kinds bit(FeedKind kind) { return 1U << static_cast<unsigned>(kind); }

    /// Nothing when there are most_subscribers already.
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Kinds kinds);

    /// Whether anybody would get such a message: ask before making one. No lock.
    [[nodiscard]] bool wanted(FeedKind kind) const noexcept {
        return (wanted_.load(std::memory_order_relaxed) & bit(kind)) != 0;
    }
    void publish(FeedKind kind, std::string json);

private:
    void leave(const Subscription& subscription);

    std::mutex mutex_;
    std::vector<Subscription*> subscriptions_;  // guarded by mutex_
    std::atomic<Kinds> wanted_{0};
};

/// One watcher's queue. Its thread.
class EventHub::Subscription {
public:
    Subscription(EventHub& hub, Kinds kinds) : hub_(hub), kinds_(kinds) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { hub_.leave(*this); }

    /// The next message; nothing if none came in time.
    [[nodiscard]] std::optional<FeedMessage> next(std::chrono::milliseconds patience);

private:
    friend class EventHub;
    void push(const FeedMessage& message);

    EventHub& hub_;
    const Kinds kinds_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<FeedMessage> waiting_;  // guarded by mutex_
    std::uint64_t skipped_ = 0;        // guarded by mutex_
};

}  // namespace holdfast
