#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

/// Publishes live messages to subscribers (GET /v1/events). All of them read one bounded ring, so that the cost is
/// equal for one and for thousands. A subscriber that falls behind misses messages, and `skipped` reports how many. Any
/// thread; subscriptions must end before the hub does.
class EventHub {
public:
    static constexpr std::size_t max_subscribers = 4'096;
    static constexpr std::size_t max_waiting = 1'024;                    ///< messages in the ring
    static constexpr std::size_t max_waiting_bytes = 4UL * 1024 * 1024;  ///< unless it is one message

    class Subscription;
    class Wake;
    using Kinds = std::uint32_t;  ///< a bit for each FeedKind
    [[nodiscard]] static constexpr Kinds bit(FeedKind kind) { return 1U << static_cast<unsigned>(kind); }

    EventHub() = default;
    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;
    ~EventHub();

    /// Returns nullptr if there are max_subscribers already.
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Kinds kinds);

    /// Returns whether any subscriber wants such a message. No lock.
    [[nodiscard]] bool wanted(FeedKind kind) const noexcept {
        return (wanted_.load(std::memory_order_relaxed) & bit(kind)) != 0;
    }
    void publish(FeedKind kind, std::string json);
    /// Reports messages, too many to be made, to the subscribers of their kind.
    void skip(FeedKind kind, std::uint64_t messages);

    /// Calls `wake` after each message that a subscriber wants, on the publisher's thread, until the returned handle is
    /// destroyed. `wake` must not call the hub.
    [[nodiscard]] std::unique_ptr<Wake> on_message(std::function<void()> wake);

private:
    using PerKind = std::array<std::uint64_t, feed_kind_count>;
    struct Entry {
        FeedKind kind{};
        std::uint64_t messages = 1;                    // more than one: skipped
        std::shared_ptr<const std::string> json = {};  // null: skipped
    };

    void put(Entry entry);
    void drop_oldest();  // under mutex_, as what follows
    void note_wanted();
    [[nodiscard]] std::uint64_t end() const { return first_ + ring_.size(); }

    std::mutex mutex_;
    std::deque<Entry> ring_;                              // guarded by mutex_, as all that follows
    std::uint64_t first_ = 0;                             // number of the ring's first entry
    std::size_t bytes_ = 0;                               // of the ring's messages
    PerKind put_{};                                       // messages that were put into the ring
    PerKind dropped_{};                                   // those among them that left it
    std::array<std::size_t, feed_kind_count> wanting_{};  // subscribers
    std::size_t subscribers_ = 0;
    std::vector<const Wake*> wakes_;
    std::atomic<Kinds> wanted_{0};  // not guarded
};

/// Registers a function that the hub calls during its lifetime.
class EventHub::Wake {
public:
    Wake(EventHub& hub, std::function<void()> wake) : hub_(hub), wake_(std::move(wake)) {}
    Wake(const Wake&) = delete;
    Wake& operator=(const Wake&) = delete;
    ~Wake();

private:
    friend class EventHub;
    EventHub& hub_;
    const std::function<void()> wake_;
};

/// A subscriber's place in the ring. One thread at a time.
class EventHub::Subscription {
public:
    Subscription(EventHub& hub, Kinds kinds, std::uint64_t next, const PerKind& passed)
        : hub_(hub), kinds_(kinds), next_(next), passed_(passed) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription();

    /// Returns the next message, or nullopt if there is none now. `skipped` takes the place of the missing ones.
    [[nodiscard]] std::optional<FeedMessage> next();

private:
    friend class EventHub;
    void catch_up();  // under the hub's mutex_
    [[nodiscard]] FeedMessage take_skipped();

    EventHub& hub_;
    const Kinds kinds_;
    std::uint64_t next_;         // number of an entry
    PerKind passed_;             // messages before it
    std::uint64_t skipped_ = 0;  // of its kinds, not reported yet
};

}  // namespace holdfast
