#include "pipeline/bad_item_book.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

#include "model/identity.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

bool matches(const BadItemQuery& query, const BadItemRow& row) {
    return row.number > query.after && (!query.kind || row.kind == *query.kind) &&
           (!query.id || matches_id(*query.id, row.id)) && (!query.listener || row.listener == *query.listener) &&
           (!query.peer || query.peer->contains(row.peer.address)) && (!query.since || row.at >= *query.since) &&
           (!query.until || row.at <= *query.until);
}

// A CONNECT has the user and the password without their names behind that of the protocol (MQTT 3.1.1, 3.1.3).
constexpr std::string_view words_before_secrets[] = {"token",  "password", "secret", "authorization",
                                                     "bearer", "mqtt",     "mqisdp"};

struct Letter {
    char byte;
    std::size_t size;  ///< as written
};

/// Reads a letter: as itself in either case, or as an escape of JSON. UTF-16 has a zero byte beside it.
Letter read_letter(std::string_view text) {
    constexpr std::string_view escape = "\\u00";
    const std::size_t zero = text.starts_with('\0') ? 1 : 0;
    text.remove_prefix(zero);
    unsigned value = text.empty() ? 0 : static_cast<unsigned char>(text[0]);
    std::size_t size = 1;
    if (text.starts_with(escape) && text.size() >= escape.size() + 2) {
        const char* const digits = text.data() + escape.size();
        if (std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) size = escape.size() + 2;
    }
    const bool is_upper = value >= 'A' && value <= 'Z';
    return {static_cast<char>(is_upper ? value + ('a' - 'A') : value), zero + size};
}

/// Returns the size of `word` at the front of `text` as it is written there, or nullopt if another text begins there.
std::optional<std::size_t> size_of_word(std::string_view text, std::string_view word) {
    std::size_t size = 0;
    for (const char byte : word) {
        if (size >= text.size()) return std::nullopt;
        const Letter letter = read_letter(text.substr(size));
        if (letter.byte != byte) return std::nullopt;
        size += letter.size;
    }
    return size;
}

}  // namespace

void BadItemHistory::add(BadItemRow row) {
    const std::lock_guard lock(mutex_);
    row.number = ++newest_;
    if (ring_.size() < bad_items_kept) {
        ring_.push_back(std::move(row));
    } else {
        ring_[(newest_ - 1) % bad_items_kept] = std::move(row);
    }
}

BadItemPage BadItemHistory::find(const BadItemQuery& query) const {
    BadItemPage page;
    page.left_out = left_out_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    page.newest = newest_;
    for (std::uint64_t number = newest_; number > newest_ - ring_.size(); --number) {
        const BadItemRow& row = ring_[(number - 1) % bad_items_kept];
        if (!matches(query, row)) continue;
        ++page.total;
        if (page.rows.size() < query.limit) page.rows.push_back(row);
    }
    return page;
}

bool BadItemBook::Allowance::take(SteadyTime now, unsigned limit) {
    if (now - second >= std::chrono::seconds(1)) {
        second = now;
        used = 0;
    }
    if (used >= limit) return false;
    ++used;
    return true;
}

bool BadItemBook::count(Token number, const BadItemFacts& facts, SteadyTime now) {
    Entry& entry = entries_[number];
    if (!entry.items) entry.items = std::make_shared<BadItems>();
    ++entry.items->counts[static_cast<std::size_t>(facts.kind)];
    entry.items->last = facts;
    const bool is_kept = entry.allowance.take(now, kept_per_connection) && allowance_.take(now, kept_per_reactor);
    if (!is_kept) history_.leave_out();
    return is_kept;
}

std::string_view BadItemBook::protocol(Token number) const {
    const auto found = entries_.find(number);
    return found != entries_.end() ? found->second.protocol : std::string_view();
}

std::uint64_t BadItemBook::left(Token number) const {
    const auto found = entries_.find(number);
    return found != entries_.end() ? found->second.left : 0;
}

const BadItems* BadItemBook::find(Token number) const {
    const auto found = entries_.find(number);
    return found != entries_.end() ? found->second.items.get() : nullptr;
}

std::shared_ptr<const BadItems> BadItemBook::take(Token number) {
    const auto found = entries_.find(number);
    if (found == entries_.end()) return nullptr;
    std::shared_ptr<const BadItems> items = std::move(found->second.items);
    entries_.erase(found);
    return items;
}

std::string to_sentence(const BadItemFacts& facts) {
    std::string out(to_string(facts.kind));
    out += " of " + count_of(facts.bytes, "byte") + " at byte " + std::to_string(facts.position) + ", \"";
    for (const char byte : printable_bytes(facts.head.view())) {
        if (byte == '"') out += '\\';
        out += byte;
    }
    out += facts.bytes > facts.head.size ? "\"..." : "\"";
    return facts.detail.empty() ? out : out + ": " + std::string(facts.detail);
}

std::string_view without_secret(std::string_view bytes) noexcept {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (const std::string_view word : words_before_secrets) {
            if (const auto size = size_of_word(bytes.substr(at), word)) return bytes.substr(0, at + *size);
        }
    }
    return bytes;
}

}  // namespace holdfast
