#include "pipeline/bad_item_book.h"

#include <utility>

#include "model/identity.h"
#include "text/printable.h"

namespace holdfast {
namespace {

bool matches(const BadItemQuery& query, const BadItemRow& row) {
    return row.number > query.after && (!query.kind || row.kind == *query.kind) &&
           (!query.id || matches_id(*query.id, row.id)) && (!query.listener || row.listener == *query.listener) &&
           (!query.peer || query.peer->contains(row.peer.address)) && (!query.since || row.at >= *query.since) &&
           (!query.until || row.at <= *query.until);
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
    out += " of " + std::to_string(facts.bytes) + " bytes at byte " + std::to_string(facts.position) + ", \"";
    for (const char byte : printable_bytes(facts.head.view())) {
        if (byte == '"') out += '\\';
        out += byte;
    }
    out += facts.bytes > facts.head.size ? "\"..." : "\"";
    return facts.detail.empty() ? out : out + ": " + std::string(facts.detail);
}

std::string_view without_token(std::string_view bytes) noexcept {
    constexpr std::string_view name = "\"token\"";
    const std::size_t at = bytes.find(name);
    return at == std::string_view::npos ? bytes : bytes.substr(0, at + name.size());
}

}  // namespace holdfast
