#pragma once

#include <cstdint>
#include <limits>

#include "api/api.h"
#include "api/parameter_kinds.h"

/// Parameters of the endpoints: path by path, as Api::table names them.
namespace holdfast::endpoint {

using namespace parameter;  // NOLINT(google-build-using-namespace)
using Type = Parameter::Type;

inline constexpr std::uint64_t unlimited = std::numeric_limits<std::size_t>::max();
inline constexpr std::uint64_t longest_wait_ms = max_probe_timeout.count();
inline constexpr std::uint64_t two_days_ms = 2ULL * 24 * 3600 * 1000;

inline constexpr Parameter filter_peer = prefix("prefix of the peers, e.g. 10.2.0.0/16");
inline constexpr Parameter scope_peer = prefix("prefix of the peers, e.g. 10.2.0.0/16");
inline constexpr Parameter device_id = text("id", "DEVICE", "id of the device, or its beginning and a *: shop-*");
inline constexpr Parameter limit = count("limit", "maximum number of entries, up to 10000", 0, max_page, "100");
inline constexpr Parameter offset = count("offset", "number of entries to skip", 0, unlimited);
inline constexpr Parameter timeout =
    duration("timeout", "maximum time to wait for an answer", 1, longest_wait_ms, "3s");

inline constexpr Parameter connection_filters[] = {
    filter_peer,
    text("key", "KEY", "key of the latest item"),
    device_id,
    text("listener", "NAME", "name of the listener"),
    time_bound("since", "connected at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "connected at this time or earlier"),
    boolean("suspect", "suspects only: probed on suspicion and silent since"),
    word("sort", "SORT", sort_words, "sort key: age, idle, items, bad_items, bytes_in, bytes_out, peer or key", "age"),
    switched(word("order", "", order_words, "asc or desc; default: asc for peer and key, else desc"), "--reverse",
             "reversed order"),
    limit,
    offset,
};

inline constexpr Parameter closed_filters[] = {
    word("reason", "REASON", reason_words, "reason of the close, e.g. keepalive_expired"),
    filter_peer,
    device_id,
    time_bound("since", "closed at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "closed at this time or earlier"),
    limit,
    offset,
};

inline constexpr Parameter device_lives[] = {
    time_bound("since", "closed at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "closed at this time or earlier"),
    limit,
    offset,
};

inline constexpr Parameter bad_item_filters[] = {
    filter_peer,
    device_id,
    text("listener", "NAME", "name of the listener"),
    time_bound("since", "received at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "received at this time or earlier"),
    word("kind", "KIND", bad_item_words, "kind of the bad item, e.g. not_json"),
    count("after", "number of the latest entry that is known", 0, unlimited),
    limit,
};

inline constexpr Parameter fleet_filters[] = {
    text("gateway", "NAME", "gateway that holds or held the device"),
    word("state", "STATE", state_words, "state: online, unknown or closed"),
    device_id,
    time_bound("since", "connected, or closed, at this time or later"),
    time_bound("until", "connected, or closed, at this time or earlier"),
    limit,
    offset,
};

inline constexpr Parameter close_scope[] = {required(scope_peer)};
inline constexpr Parameter probe_timeout[] = {timeout};
inline constexpr Parameter probe_scope[] = {scope_peer, boolean("all", "all connections"), timeout};
inline constexpr Parameter delivery[] = {
    duration("wait", "maximum time until the device's kernel acknowledges", 1, longest_wait_ms, "300ms")};

inline constexpr Parameter prefix_scope[] = {
    prefix("prefix to divide, e.g. 10.0.0.0/8; default: all addresses"),
    duration("window", "time span that ends now, of the counted closes", 1000, two_days_ms, "10m"),
    count("limit", "maximum number of prefixes, up to 10000", 0, max_page, "100"),
};

inline constexpr Parameter trend_window[] = {
    duration("window", "time span that ends now", 1000, two_days_ms, "1h", Type::seconds),
    duration("step", "time between points; default: the shortest that gives at most 600 points", 1000, two_days_ms, {},
             Type::seconds),
    text("listener", "NAME", "name of the listener; default: the sum of all"),
};

inline constexpr Parameter alarm_times[] = {
    time_bound("since", "raised at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "raised at this time or earlier"),
};

inline constexpr Parameter member_state =
    word("state", "STATE", member_words, "members that are back or missing; default: all");
inline constexpr Parameter member_page[] = {member_state, limit, offset};
inline constexpr Parameter member_export[] = {
    word("format", "FORMAT", export_words, "format: csv (RFC 4180) or json", "json"), member_state};
inline constexpr Parameter acknowledgement_fields[] = {
    required(text("note", "TEXT", "note of at most 500 bytes, e.g. who works on it"))};

inline constexpr Parameter feed_filters[] = {
    {.name = "kinds",
     .type = Type::words,
     .help = "kinds of events, separated by commas",
     .value = "KINDS",
     .default_value = "sample,alarm,connected,closed",
     .words = feed_words},
    device_id,
    filter_peer,
    text("key", "KEY", "key of the item; of a closed connection, the latest"),
};

inline constexpr Parameter drain_fields[] = {
    duration("over", "time over which the closes are spread", 0, 0, "2m"),
    filter_peer,
    text("listener", "NAME", "name of the listener"),
    word("come_back", "WHEN", come_back_words,
         "return of the devices; default: later after a drain of all, at_once of a part"),
    switched(boolean("goodbye", "{\"retry_after_ms\":N} is sent before each close", "true"), "--no-goodbye",
             "no {\"retry_after_ms\":N} before the close"),
};

inline constexpr Parameter spool_page[] = {
    count("after", "position before the first event", 0, unlimited),
    count("limit", "maximum number of entries, up to 10000", 1, max_page, "1000"),
    duration("wait", "maximum time to wait for an event if there is none", 0, longest_wait_ms, "0s"),
};

inline constexpr Parameter group_fields[] = {
    required(count("position", "new position of the group", 0, unlimited)),
    count("after", "position that the group must have before the move", 0, unlimited),
    text("consumer", "NAME", "name of the consumer; required with `after`"),
};

}  // namespace holdfast::endpoint
