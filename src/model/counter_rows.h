#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <holdfast/counters.h>

namespace holdfast {

enum class MetricType : std::uint8_t {
    none,  ///< only in JSON
    counter,
    gauge,
    flag,  ///< a gauge of 0 or 1
    histogram
};

/// Selects what has samples: each listener, the listeners with TLS, or the sum of all.
enum class MetricScope : std::uint8_t { each, tls, summed };

/// Names what sets the samples of one metric apart: one value, or the word of each index of an array.
struct MetricLabel {
    std::string_view name = {};
    std::string_view value = {};
    std::string_view (*word)(std::size_t index) = nullptr;
};

/// Labels an array by the words of the enumerators of E.
template <typename E>
[[nodiscard]] constexpr MetricLabel by(std::string_view name) {
    return {.name = name, .value = {}, .word = [](std::size_t i) { return to_string(static_cast<E>(i)); }};
}

/// Holds all that the project knows about one figure: where it is kept, and its name in each output. The metrics page,
/// /v1/status, the sum over reactors and docs/reference/metrics.md follow from the rows.
template <typename Get>
struct MetricRow {
    Get get;  ///< a pointer to the member, or a function of its part
    MetricType type;
    std::string_view name;  ///< of the metric
    std::string_view json;  ///< in /v1/status; "group.name" stands in an object; empty: not there
    std::string_view help;  ///< empty: the row before has it, and the metric is the same
    MetricLabel label = {};
    MetricScope scope = MetricScope::each;

    [[nodiscard]] constexpr MetricRow labeled(MetricLabel by_what) const {
        MetricRow row = *this;
        row.label = by_what;
        return row;
    }
    [[nodiscard]] constexpr MetricRow scoped(MetricScope to) const {
        MetricRow row = *this;
        row.scope = to;
        return row;
    }
};

template <typename Get>
constexpr auto counter(Get get, std::string_view name, std::string_view json, std::string_view help) {
    return MetricRow<Get>{get, MetricType::counter, name, json, help};
}
template <typename Get>
constexpr auto gauge(Get get, std::string_view name, std::string_view json, std::string_view help) {
    return MetricRow<Get>{get, MetricType::gauge, name, json, help};
}
template <typename Get>
constexpr auto flag(Get get, std::string_view name, std::string_view json, std::string_view help) {
    return MetricRow<Get>{get, MetricType::flag, name, json, help};
}
template <typename Get>
constexpr auto histogram(Get get, std::string_view name, std::string_view help) {
    return MetricRow<Get>{get, MetricType::histogram, name, {}, help};
}
/// Makes a figure without a metric.
template <typename Get>
constexpr auto json_only(Get get, std::string_view json, std::string_view help) {
    return MetricRow<Get>{get, MetricType::none, {}, json, help};
}

/// Holds the row of each member of ListenerFigures. F is an instance of it.
template <typename F>
inline constexpr std::tuple listener_rows{
    flag(&F::accept_paused, "holdfast_accept_paused", "accept_paused",
         "1 while the listener does not accept, for lack of descriptors or memory."),
    gauge(&F::connections, "holdfast_connections", "connections", "Current number of connections."),
    counter(&F::accepted, "holdfast_connections_accepted_total", "accepted", "Total number of accepted connections."),
    counter(&F::kept, "holdfast_connections_kept_total", "kept",
            "Total number of connections taken over from a worker that ended."),
    counter(&F::resynchronized, "holdfast_connections_resynchronized_total", "resynchronized",
            "Total number of connections taken over that lost a part of an item."),
    counter(&F::lost_output, "holdfast_connections_lost_output_total", "lost_output",
            "Total number of connections taken over that lost messages which waited to be sent."),
    gauge(&F::opening, "holdfast_connections_opening", "opening",
          "Current number of connections before the end of their PROXY header or TLS handshake."),
    counter(&F::health_checks, "holdfast_health_checks_total", "health_checks",
            "Total number of a proxy's own connections that ended without a byte of an item."),
    gauge(&F::health_checks_open, "holdfast_health_checks_open", "health_checks_open",
          "Current number of a proxy's own connections. They are not in holdfast_connections."),
    gauge(&F::suspects, "holdfast_suspect_connections", "suspects",
          "Current number of connections that did not answer a probe on suspicion."),
    json_only(&F::suspected, "suspected", "Total number of times that a connection became suspect."),
    counter(&F::recovered, "holdfast_suspects_recovered_total", "recovered",
            "Total number of suspect connections that answered again."),
    counter(&F::refused, "holdfast_connections_refused_total", "refused",
            "Total number of connections refused by limit. The limit descriptors counts pauses of accepting.")
        .labeled(by<RefusedBy>("limit")),
    counter(&F::refused_descriptors, "holdfast_connections_refused_total", "refused.descriptors", "")
        .labeled({.name = "limit", .value = "descriptors"}),
    counter(&F::closed, "holdfast_connections_closed_total", "closed", "Total number of connections closed by reason.")
        .labeled(by<CloseReason>("reason")),
    histogram(&F::duration, "holdfast_connection_duration_seconds", "Lifetime of closed connections in seconds.")
        .scoped(MetricScope::summed),
    histogram(&F::detection, "holdfast_detection_seconds",
              "Time from a peer's last sign of life to the close, in seconds.")
        .labeled(by<CloseReason>("reason"))
        .scoped(MetricScope::summed),
    counter(&F::found_late, "holdfast_found_late_total", "found_late",
            "Total number of silent peers found later than detect_within."),
    counter(&F::items, "holdfast_items_total", "items", "Total number of items admitted by listener."),
    counter(&F::bad_items, "holdfast_bad_items_total", "bad_items", "Total number of bad items by kind.")
        .labeled(by<BadItem>("kind")),
    counter(&F::unfinished_items, "holdfast_unfinished_items_total", "unfinished_items",
            "Total number of items cut off by the end of their connection."),
    counter(&F::left_over_bytes, "holdfast_left_over_bytes_total", "left_over_bytes",
            "Total number of received bytes that the end of their connection left over."),
    gauge(&F::identified, "holdfast_identified_connections", "identified",
          "Current number of connections whose device has stated its id."),
    counter(&F::acks, "holdfast_acks_total", "acks",
            "Total number of acknowledgements sent. Each covers any number of items."),
    counter(&F::repeated_items, "holdfast_repeated_items_total", "repeated_items",
            "Total number of numbered items dropped as repetitions."),
    counter(&F::gaps, "holdfast_gaps_total", "gaps",
            "Total number of numbered items dropped because they came before the expected one."),
    counter(&F::stale_claims, "holdfast_stale_claims_total", "stale_claims",
            "Total number of claims without effect, from peers that had shut down or came earlier."),
    counter(&F::delayed_claims, "holdfast_delayed_claims_total", "delayed_claims",
            "Total number of claims that waited because of repeated takeovers of their id."),
    counter(&F::accept_delays, "holdfast_accept_delays_total", "accept_delays",
            "Total number of connections that waited for accept_rate."),
    gauge(&F::accept_waiting, "holdfast_accept_waiting", "accept_waiting",
          "Current number of connections that wait for accept_rate. They are not in holdfast_connections."),
    counter(&F::bytes_in, "holdfast_received_bytes_total", "received_bytes",
            "Total number of bytes received from devices.")
        .scoped(MetricScope::summed),
    counter(&F::bytes_out, "holdfast_sent_bytes_total", "sent_bytes", "Total number of bytes sent to devices.")
        .scoped(MetricScope::summed),
    counter(&F::unencodable, "holdfast_unencodable_messages_total", "unencodable_messages",
            "Total number of messages for devices that the listener's framing cannot express."),
    gauge(&F::handshakes, "holdfast_tls_handshakes", "tls.handshakes",
          "Current number of TLS handshakes. limits.max_handshakes bounds it.")
        .scoped(MetricScope::tls),
    counter(&F::handshakes_full, "holdfast_tls_handshakes_total", "tls.full",
            "Total number of finished TLS handshakes by outcome.")
        .labeled({.name = "outcome", .value = "full"})
        .scoped(MetricScope::tls),
    counter(&F::handshakes_resumed, "holdfast_tls_handshakes_total", "tls.resumed", "")
        .labeled({.name = "outcome", .value = "resumed"})
        .scoped(MetricScope::tls),
    counter(&F::handshakes_failed, "holdfast_tls_handshakes_total", "tls.failed", "")
        .labeled({.name = "outcome", .value = "failed"})
        .scoped(MetricScope::tls),
    histogram(&F::handshake, "holdfast_tls_handshake_seconds",
              "Time from accept to the end of a successful TLS handshake in seconds.")
        .scoped(MetricScope::tls)};

inline void add_to(std::uint64_t& sum, std::uint64_t more) noexcept { sum += more; }

inline void add_to(DurationHistogram& sum, const DurationHistogram& more) noexcept {
    for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += more.counts[i];
    sum.sum_s += more.sum_s;
}

template <typename Sum, typename More, std::size_t size>
void add_to(std::array<Sum, size>& sum, const std::array<More, size>& more) noexcept {
    for (std::size_t i = 0; i < size; ++i) add_to(sum[i], more[i]);
}

/// Holds the row of each member of ReactorFigures. F is an instance of it.
template <typename F>
inline constexpr std::tuple reactor_rows{
    flag(&F::reading_paused, "holdfast_reading_paused", "reading_paused",
         "1 while the sink accepts no more events and devices wait."),
    counter(&F::probes_alive, "holdfast_probes_total", "probes.alive", "Total number of connections probed by outcome.")
        .labeled({.name = "outcome", .value = "alive"}),
    counter(&F::probes_silent, "holdfast_probes_total", "probes.silent", "")
        .labeled({.name = "outcome", .value = "silent"}),
    counter(&F::asked_ahead, "holdfast_asked_ahead_total", "asked_ahead",
            "Total number of connections probed ahead of the kernel's keep-alive: in turn, or as canaries."),
    json_only(&F::stale_commands, "stale_commands", "Total number of commands for a connection that had ended.")};

using ListenerSum = ListenerFigures<std::uint64_t, DurationHistogram>;
using ReactorSum = ReactorFigures<std::uint64_t>;

template <typename Sum, typename SumRows, typename More, typename MoreRows>
void add_rows(Sum& sum, const SumRows& to, const More& more, const MoreRows& from) noexcept {
    const auto add = [&]<std::size_t... i>(std::index_sequence<i...>) {
        (add_to(sum.*std::get<i>(to).get, more.*std::get<i>(from).get), ...);
    };
    add(std::make_index_sequence<std::tuple_size_v<SumRows>>());
}

/// Adds every figure of `more` to `sum`: of another listener, or of one reactor (conn/counters.h).
template <typename Count, typename Histogram>
void add_figures(ListenerSum& sum, const ListenerFigures<Count, Histogram>& more) noexcept {
    add_rows(sum, listener_rows<ListenerSum>, more, listener_rows<ListenerFigures<Count, Histogram>>);
}
template <typename Count>
void add_figures(ReactorSum& sum, const ReactorFigures<Count>& more) noexcept {
    add_rows(sum, reactor_rows<ReactorSum>, more, reactor_rows<ReactorFigures<Count>>);
}

template <typename Figure>
void assign(Figure& to, const Figure& from) noexcept {
    to.assign(from);
}
template <typename Figure, std::size_t size>
void assign(std::array<Figure, size>& to, const std::array<Figure, size>& from) noexcept {
    for (std::size_t i = 0; i < size; ++i) to[i].assign(from[i]);
}

/// Copies all figures of one thread.
template <typename F, typename Rows>
void assign_figures(F& to, const F& from, const Rows& rows) noexcept {
    std::apply([&to, &from](const auto&... row) { (assign(to.*row.get, from.*row.get), ...); }, rows);
}

/// Copies the totals of figures of one thread. Gauges, such as connections, stay as they are.
template <typename F, typename Rows>
void assign_totals(F& to, const F& from, const Rows& rows) noexcept {
    const auto assign_row = [&to, &from](const auto& row) {
        if (row.type != MetricType::gauge && row.type != MetricType::flag) assign(to.*row.get, from.*row.get);
    };
    std::apply([&assign_row](const auto&... row) { (assign_row(row), ...); }, rows);
}

/// Returns the bytes of all members of F that have a row.
template <typename F, typename Rows>
constexpr std::size_t bytes_of(const Rows& rows) {
    return std::apply(
        [](const auto&... row) { return (sizeof(std::remove_cvref_t<decltype(std::declval<F&>().*row.get)>) + ...); },
        rows);
}
static_assert(bytes_of<ListenerSum>(listener_rows<ListenerSum>) == sizeof(ListenerSum), "a member has no row, or two");
static_assert(bytes_of<ReactorSum>(reactor_rows<ReactorSum>) == sizeof(ReactorSum), "a member has no row, or two");

/// Returns the growth of a counter. A counter that fell was reset.
[[nodiscard]] constexpr std::uint64_t counter_growth(std::uint64_t now, std::uint64_t before) {
    return now >= before ? now - before : now;
}

}  // namespace holdfast
