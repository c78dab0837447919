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

#include <holdfast/endpoint.h>

#include "base/clock.h"

namespace holdfast {

/// Kinds of live messages. The words are the `event:` names of the stream.
enum class FeedKind : std::uint8_t { sample, alarm, connected, closed, item, bad_item, skipped };
inline constexpr std::size_t feed_kind_count = 7;
extern const std::array<FeedKind, feed_kind_count> all_feed_kinds;
[[nodiscard]] std::string_view to_string(FeedKind kind) noexcept;

struct FeedMessage {
    FeedKind kind{};
    std::string json;  ///< one line, without its end
    std::string id;    ///< place in the feed, from which a subscription can resume
};

/// The device of a message, and its connection's peer and key, by which subscribers select. All empty: a message about
/// the gateway.
struct FeedSubject {
    std::string_view id = {};
    std::string_view key = {};
    std::optional<IpAddress> peer = {};
};

/// Selects messages about connections. A message must match every member that is set.
struct FeedFilter {
    std::optional<std::string> id = {};  ///< with a final '*': the beginning of it
    std::optional<std::string> key = {};
    std::optional<Prefix> peer = {};

    [[nodiscard]] bool is_empty() const { return !id && !key && !peer; }
    [[nodiscard]] bool matches(const FeedSubject& subject) const;
    friend bool operator==(const FeedFilter&, const FeedFilter&) = default;
};

/// Publishes live messages to subscribers (GET /v1/events). All of them read one bounded ring, so that the cost is
/// equal for one and for thousands. A subscriber that falls behind misses messages, and `skipped` reports how many. Any
/// thread; subscriptions must end before the hub does.
class EventHub {
public:
    static constexpr std::size_t max_subscribers = 4'096;
    static constexpr std::size_t max_waiting = 1'024;                    ///< messages in the ring
    static constexpr std::size_t max_waiting_bytes = 4UL * 1024 * 1024;  ///< unless it is one message

    /// Time for which the ring goes on for a subscriber that may resume.
    static constexpr std::chrono::seconds resumable_for{30};
    static constexpr std::size_t max_departed = 64;  ///< such subscribers

    class Subscription;
    class Wake;
    using Kinds = std::uint32_t;  ///< a bit for each FeedKind
    [[nodiscard]] static constexpr Kinds bit(FeedKind kind) { return 1U << static_cast<unsigned>(kind); }

    /// Wishes of a subscriber.
    struct Wish {
        Kinds kinds = 0;
        FeedFilter filter = {};
        std::string after = {};  ///< FeedMessage::id of the last message that it has; empty: from now on
        bool resumable = false;  ///< it may come back with `after`
    };
    /// Wishes of all subscribers about the events of connections. A copy of one publisher.
    struct Interests {
        std::uint64_t version = 0;
        Kinds unfiltered = 0;
        std::vector<std::pair<Kinds, FeedFilter>> filtered = {};
    };
    enum class Interest : std::uint8_t {
        none,
        any,     ///< only subscribers without a filter want the message
        chosen,  ///< a filter selects it
    };

    /// Creates a hub. `clock` must outlive it; null: the system's.
    explicit EventHub(const Clock* clock = nullptr);
    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;
    ~EventHub();

    /// Returns nullptr if there are max_subscribers already.
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Wish wish);
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Kinds kinds) { return subscribe(Wish{.kinds = kinds}); }

    /// Returns the number of subscriptions that have not ended.
    [[nodiscard]] std::size_t subscribers() {
        const std::lock_guard lock(mutex_);
        return active_.size();
    }

    /// Returns whether any subscriber wants such a message, or may come back for it. No lock.
    [[nodiscard]] bool wanted(FeedKind kind) const noexcept {
        return (wanted_.load(std::memory_order_relaxed) & bit(kind)) != 0;
    }
    /// Returns who wants a message about `subject`. Brings `interests` up to date; takes the lock only after a change.
    [[nodiscard]] Interest interest(FeedKind kind, const FeedSubject& subject, Interests& interests);
    void publish(FeedKind kind, std::string json, const FeedSubject& subject = {});
    /// Reports messages, too many to be made, to the subscribers of their kind. Interest::any: no filter selects them.
    void skip(FeedKind kind, std::uint64_t messages, Interest interest = Interest::any);

    /// Calls `wake` after each message that a subscriber wants, on the publisher's thread, until the returned handle is
    /// destroyed. `wake` must not call the hub.
    [[nodiscard]] std::unique_ptr<Wake> on_message(std::function<void()> wake);

private:
    using PerKind = std::array<std::uint64_t, feed_kind_count>;
    struct Entry {
        FeedKind kind{};
        std::uint64_t messages = 1;                    // more than one: skipped
        std::shared_ptr<const std::string> json = {};  // null: skipped
        bool chosen = false;                           // skipped: a filter selects them
        std::string id = {};
        std::string key = {};
        std::optional<IpAddress> peer = {};
    };
    /// A subscriber that may come back: the ring goes on with what it wants.
    struct Departed {
        Kinds kinds = 0;
        FeedFilter filter;
        std::uint64_t began = 0;  // number of the first entry that was made for it
        SteadyTime until;
    };

    void put(Entry entry);
    void drop_oldest();  // under mutex_, as what follows
    void note_wanted();
    void depart(const Subscription& subscription);
    void forget_departed();
    void count(Kinds kinds, bool more);
    void start_at(Subscription& subscription, const std::string& after) const;
    [[nodiscard]] bool was_followed(const Subscription& subscription, std::uint64_t number) const;
    [[nodiscard]] bool is_idle() const { return active_.empty() && departed_.empty(); }
    [[nodiscard]] std::uint64_t end() const { return first_ + ring_.size(); }

    const SystemClock own_clock_;
    const Clock& clock_;
    const std::uint32_t run_;  // identifies this hub in the ids of messages
    std::mutex mutex_;
    std::deque<Entry> ring_;                              // guarded by mutex_, as all that follows
    std::uint64_t first_ = 0;                             // number of the ring's first entry
    std::size_t bytes_ = 0;                               // of the ring's messages
    PerKind put_{};                                       // messages that were put into the ring
    PerKind dropped_{};                                   // those among them that left it
    std::array<std::size_t, feed_kind_count> wanting_{};  // subscribers, present and departed
    std::vector<const Subscription*> active_;
    std::deque<Departed> departed_;  // the first expires first
    std::vector<const Wake*> wakes_;
    std::atomic<Kinds> wanted_{0};           // not guarded
    std::atomic<std::uint64_t> version_{1};  // not guarded; of the subscribers' wishes
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
    Subscription(EventHub& hub, Wish wish) : hub_(hub), wish_(std::move(wish)) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription();

    /// Returns the next message, or nullopt if there is none now. `skipped` takes the place of the missing ones.
    [[nodiscard]] std::optional<FeedMessage> next();

private:
    friend class EventHub;
    void catch_up();  // under the hub's mutex_, as what follows
    [[nodiscard]] bool wants(const Entry& entry) const;
    [[nodiscard]] FeedMessage take_skipped();
    [[nodiscard]] std::string id_before() const;

    EventHub& hub_;
    const Wish wish_;
    std::uint64_t began_ = 0;    // number of the first entry that was made for it
    std::uint64_t next_ = 0;     // number of an entry
    PerKind passed_{};           // messages before it
    std::uint64_t skipped_ = 0;  // of its kinds, not reported yet
    bool has_gap_ = false;       // messages between its last one and the ring are lost; not reported yet
};

}  // namespace holdfast
