#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/counters.h>
#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Returns the kind of that word, or nullopt.
[[nodiscard]] std::optional<BadItem> parse_bad_item(std::string_view word) noexcept;

/// The latest bad items that Server::bad_items() remembers.
inline constexpr std::size_t bad_items_kept = 1'000;

/// A bad item with its origin.
struct BadItemRow : BadItemFacts {
    std::uint64_t number = 0;  ///< 1 for the first that the gateway has kept since its start
    ConnectionId conn = {};
    std::string listener = {};
    Endpoint peer = {};
    std::string id = {};         ///< of the device; empty if unidentified
    bool authenticated = false;  ///< a certificate or a token has proved `id`
};

/// Selects bad items.
struct BadItemQuery {
    std::optional<Prefix> peer = {};
    std::optional<std::string> id = {};        ///< the device's id, or the beginning of it and a '*'
    std::optional<std::string> listener = {};  ///< its name
    std::optional<BadItem> kind = {};
    std::optional<EventTime> since = {};
    std::optional<EventTime> until = {};
    std::uint64_t after = 0;  ///< only those with a larger number
    std::size_t limit = 100;
};

struct BadItemPage {
    std::vector<BadItemRow> rows = {};  ///< newest first
    std::size_t total = 0;              ///< rows that match, also beyond `limit`
    std::uint64_t newest = 0;           ///< number of the latest that was kept; 0: none
    std::uint64_t left_out = 0;  ///< bad items since the start that were counted only: there were too many a second
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
