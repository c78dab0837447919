#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <holdfast/bad_items.h>

#include "base/clock.h"
#include "conn/stream_handler.h"

namespace holdfast {

/// Stores the latest bad items of all reactors. Bounded by bad_items_kept; any thread. The books that fill it limit how
/// often they take its mutex.
class BadItemHistory {
public:
    /// Gives the row its number.
    void add(BadItemRow row);
    /// Counts a bad item that a book has left out. Takes no mutex.
    void leave_out() noexcept { left_out_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] BadItemPage find(const BadItemQuery& query) const;

private:
    mutable std::mutex mutex_;
    std::vector<BadItemRow> ring_;  // guarded by mutex_; grows to bad_items_kept, then overwrites the oldest
    std::uint64_t newest_ = 0;      // guarded by mutex_
    std::atomic<std::uint64_t> left_out_ = 0;
};

/// Keeps the counts and the latest bad item of each connection of one reactor. Limits how many a second the history
/// takes. Connections without bad items cost nothing. The shard's thread.
class BadItemBook {
public:
    // Bad items a second that the history takes, so that no device displaces the others' in it.
    static constexpr unsigned kept_per_connection = 10;
    static constexpr unsigned kept_per_reactor = 500;

    explicit BadItemBook(BadItemHistory& history) : history_(history) {}

    /// Counts a bad item. Returns true if the history shall take it, too.
    [[nodiscard]] bool count(Token number, const BadItemFacts& facts, SteadyTime now);
    /// Sets the protocol that the connection's first bytes belong to, if it is known. `sentence` is static text.
    void set_protocol(Token number, std::string_view sentence) { entries_[number].protocol = sentence; }
    [[nodiscard]] std::string_view protocol(Token number) const;
    /// Sets the number of bytes that arrived behind those that end the connection.
    void set_left(Token number, std::uint64_t bytes) { entries_[number].left = bytes; }
    [[nodiscard]] std::uint64_t left(Token number) const;

    /// Returns the bad items of a connection, or nullptr if it had none.
    [[nodiscard]] const BadItems* find(Token number) const;
    /// Forgets an ended connection and returns its bad items, or null.
    [[nodiscard]] std::shared_ptr<const BadItems> take(Token number);

private:
    /// Counts up to a limit in each second.
    struct Allowance {
        SteadyTime second{};
        unsigned used = 0;
        [[nodiscard]] bool take(SteadyTime now, unsigned limit);
    };
    struct Entry {
        std::shared_ptr<BadItems> items;  ///< null before the first
        std::string_view protocol;
        std::uint64_t left = 0;
        Allowance allowance;
    };
    BadItemHistory& history_;
    std::unordered_map<Token, Entry> entries_;
    Allowance allowance_;
};

/// Returns `not_json of 12 bytes at byte 17, "{\"ip\":\"1\",}"`, followed by the detail. Pure.
[[nodiscard]] std::string to_sentence(const BadItemFacts& facts);

/// Returns the bytes up to the first word that names a secret, such as a field `token` or a header `Authorization`. No
/// output may have the value behind it. Recognizes the word in either case, escaped, and without quotes. Pure.
[[nodiscard]] std::string_view without_secret(std::string_view bytes) noexcept;

}  // namespace holdfast
