#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <holdfast/reason.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Why a started item was not one. The words are the metric's labels.
enum class BadItem : std::uint8_t {
    not_json,
    not_object,
    no_key,
    bad_utf8,
    too_deep,
    too_large,
    bad_hello,
    bad_seq,
    malformed,  ///< it breaks the rules of the listener's codec or of its framing `length_field`
};
inline constexpr std::size_t bad_item_count = 9;
[[nodiscard]] std::string_view to_string(BadItem kind) noexcept;

/// The limit that turned a connection away. The words are the metric's labels.
enum class RefusedBy : std::uint8_t {
    max_connections,
    max_connections_per_peer,    ///< of one IPv4 address, or IPv6 /64
    max_connections_per_prefix,  ///< of one IPv4 /24, or IPv6 /48
    buffer_budget,
    untrusted_proxy,  ///< a listener with `proxy_protocol`, and it is none of `trusted_proxies`
    max_handshakes,   ///< of TLS, at once
    handshake_wait,   ///< its TLS handshake could not begin within 1.5 s: the processor is busy with others
};
inline constexpr std::size_t refused_by_count = 7;
[[nodiscard]] std::string_view to_string(RefusedBy limit) noexcept;

/// A cumulative histogram in the manner of Prometheus: counts[i] holds what was <= bounds_s[i]; the last is +Inf.
inline constexpr std::array<double, 16> duration_bounds_s{0.01, 0.1, 0.5, 1,   2,   5,   10,   15,
                                                          20,   30,  60,  120, 300, 900, 3600, 86400};
struct DurationHistogram {
    std::array<std::uint64_t, duration_bounds_s.size() + 1> counts{};
    double sum_s = 0;
};

/// Holds what one listener counts since the start. docs/reference/metrics.md explains each figure. `Count` is
/// std::uint64_t in a ListenerStatus, and a counter of one thread in a reactor. src/model/counter_rows.h has a row for
/// each.
template <typename Count, typename Histogram>
struct ListenerFigures {
    Count connections{};  ///< held now, those that are not open yet included
    Count accepted{};
    Count kept{};            ///< taken over from an earlier process: see ServerConfig::kept_state
    Count resynchronized{};  ///< of these, those whose stream lost bytes
    Count lost_output{};     ///< of these, those that lost queued messages, each as a whole
    Count accept_paused{};   ///< reactors that do not accept now
    Count accept_waiting{};  ///< connections that wait for accept_rate; not in `connections`
    Count accept_delays{};
    Count opening{};
    Count health_checks{};
    Count health_checks_open{};                      ///< not in `connections`
    std::array<Count, refused_by_count> refused{};   ///< by RefusedBy
    Count refused_descriptors{};                     ///< times that accepting paused for lack of descriptors or memory
    std::array<Count, close_reason_count> closed{};  ///< by CloseReason
    std::array<Histogram, close_reason_count> detection{};  ///< last sign of life to close, by CloseReason
    Histogram duration{};                                   ///< of ended connections
    Count found_late{};
    Count suspects{};    ///< of `connections`, suspect now: see ConnectionRow::suspect_since
    Count suspected{};   ///< times that a connection became suspect
    Count recovered{};   ///< times that a suspect answered again
    Count handshakes{};  ///< of TLS, in progress
    Count handshakes_full{};
    Count handshakes_resumed{};
    Count handshakes_failed{};
    Histogram handshake{};                          ///< from accept to open, of those that succeeded
    Count items{};                                  ///< admitted; of a durable handler, those that are safe
    std::array<Count, bad_item_count> bad_items{};  ///< by BadItem
    Count unfinished_items{};
    Count left_over_bytes{};  ///< received, and no part of an item or bad item when their connection ended
    Count identified{};
    Count acks{};  ///< sent; each covers any number of items
    Count repeated_items{};
    Count gaps{};
    Count stale_claims{};
    Count delayed_claims{};
    Count bytes_in{};
    Count bytes_out{};
    Count unencodable{};  ///< messages for devices that the framing has no form for; not sent
};

/// Holds what one reactor counts since the start, in the same manner.
template <typename Count>
struct ReactorFigures {
    Count reading_paused{};  ///< reactors whose handler is not ready: devices wait
    Count probes_alive{};    ///< connections probed and found alive, without or with a probe
    Count probes_silent{};
    Count asked_ahead{};     ///< connections probed ahead of the kernel: in turn, or as canaries
    Count stale_commands{};  ///< commands for a connection that had ended
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
