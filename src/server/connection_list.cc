#include "server/connection_list.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace holdfast {

namespace {

struct SortWord {
    ConnectionSort sort;
    std::string_view word;
};

constexpr std::array<SortWord, 8> sort_words{{
    {ConnectionSort::age, "age"},
    {ConnectionSort::idle, "idle"},
    {ConnectionSort::items, "items"},
    {ConnectionSort::bad_items, "bad_items"},
    {ConnectionSort::bytes_in, "bytes_in"},
    {ConnectionSort::bytes_out, "bytes_out"},
    {ConnectionSort::peer, "peer"},
    {ConnectionSort::key, "key"},
}};

/// Sorts quantities with the largest first, and names alphabetically.
template <typename T>
int descending(const T& a, const T& b) {
    return a == b ? 0 : (a > b ? -1 : 1);
}

/// Returns a moment that stays valid during a long walk, in which ages grow.
EventTime last_item_at(const ConnectionRow& row) { return row.connected_at + row.age - row.since_item; }

std::uint64_t bad_items_of(const ConnectionRow& row) {
    return std::accumulate(row.bad_items.begin(), row.bad_items.end(), std::uint64_t{0});
}

int compare(ConnectionSort sort, const ConnectionRow& a, const ConnectionRow& b) {
    switch (sort) {
        case ConnectionSort::age:
            return descending(b.connected_at, a.connected_at);
        case ConnectionSort::idle:
            return descending(last_item_at(b), last_item_at(a));
        case ConnectionSort::items:
            return descending(a.items, b.items);
        case ConnectionSort::bad_items:
            return descending(bad_items_of(a), bad_items_of(b));
        case ConnectionSort::bytes_in:
            return descending(a.bytes_in, b.bytes_in);
        case ConnectionSort::bytes_out:
            return descending(a.bytes_out, b.bytes_out);
        case ConnectionSort::peer:
            return descending(b.peer, a.peer);
        case ConnectionSort::key:
            return descending(b.key, a.key);
    }
    return 0;
}

}  // namespace

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string_view to_string(ConnectionSort sort) noexcept {
    const auto place = static_cast<std::size_t>(sort);
    return place < sort_words.size() ? sort_words[place].word : std::string_view("unknown");
}

std::optional<ConnectionSort> parse_connection_sort(std::string_view word) noexcept {
    for (const SortWord& each : sort_words) {
        if (each.word == word) return each.sort;
    }
    return std::nullopt;
}

}  // namespace HOLDFAST_PUBLIC

bool ConnectionList::wants(const Connection& connection, std::string_view listener) const {
    return (!query_.peer || query_.peer->contains(connection.peer.address)) &&
           (!query_.key || connection.key.view() == *query_.key) &&
           (!query_.listener || listener == *query_.listener) &&
           (!query_.suspect || connection.suspect == *query_.suspect);
}

void ConnectionList::add(ConnectionRow row) {
    ++total_;
    rows_.push_back(std::move(row));
    const std::size_t needed = query_.limit > std::numeric_limits<std::size_t>::max() / 4 - query_.offset
                                   ? rows_.size()
                                   : query_.offset + query_.limit;
    if (rows_.size() > 2 * needed + 4'096) trim();
}

void ConnectionList::merge(ConnectionList&& other) {
    total_ += other.total_;
    std::move(other.rows_.begin(), other.rows_.end(), std::back_inserter(rows_));
}

/// Sorts, and drops rows that no page up to the requested one shows.
void ConnectionList::trim() {
    const auto before = [this](const ConnectionRow& a, const ConnectionRow& b) {
        const int order = compare(query_.sort, a, b);
        if (order != 0) return query_.reverse ? order > 0 : order < 0;
        return a.conn < b.conn;  // so that pages do not overlap
    };
    std::sort(rows_.begin(), rows_.end(), before);
    const std::size_t beyond = rows_.size() - std::min(rows_.size(), query_.offset);
    rows_.resize(rows_.size() - beyond + std::min(beyond, query_.limit));
}

ConnectionPage ConnectionList::page() && {
    trim();
    const auto skipped = static_cast<std::ptrdiff_t>(std::min(rows_.size(), query_.offset));
    rows_.erase(rows_.begin(), rows_.begin() + skipped);
    return {.total = total_, .rows = std::move(rows_)};
}

}  // namespace holdfast
