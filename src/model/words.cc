#include "model/words.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <holdfast/bad_items.h>
#include <holdfast/events.h>
#include <holdfast/status.h>

#include "text/hex.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, bad_item_count> bad_item_words{
    "not_json", "not_object", "no_key", "bad_utf8", "too_deep", "too_large", "bad_hello", "bad_seq", "malformed"};
constexpr std::array<std::string_view, refused_by_count> refused_words{
    "max_connections", "max_connections_per_peer", "max_connections_per_prefix",
    "buffer_budget",   "untrusted_proxy",          "max_handshakes",
    "handshake_wait"};
constexpr std::array<std::string_view, 5> delivery_words{"absent", "queue_full", "sent", "acked", "unencodable"};

}  // namespace

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string_view to_string(Framing framing) noexcept { return to_string<>(framing); }
std::string_view to_string(ByteOrder order) noexcept { return to_string<>(order); }
std::string_view to_string(Payload payload) noexcept { return to_string<>(payload); }
std::string_view to_string(ProxyProtocol version) noexcept { return to_string<>(version); }
std::string_view to_string(TlsClient client) noexcept { return to_string<>(client); }
std::string_view to_string(TlsId id) noexcept { return to_string<>(id); }

std::string_view to_string(LivenessOf liveness) noexcept { return liveness == LivenessOf::path ? "path" : "device"; }
std::string_view to_string(BadItem kind) noexcept { return word_at(bad_item_words, kind); }
std::string_view to_string(RefusedBy limit) noexcept { return word_at(refused_words, limit); }
std::string_view to_string(Delivery delivery) noexcept { return word_at(delivery_words, delivery); }

std::optional<Framing> parse_framing(std::string_view word) noexcept {
    const auto& words = words_of<Framing>;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return std::nullopt;
    return static_cast<Framing>(found - words.begin());
}

std::optional<BadItem> parse_bad_item(std::string_view word) noexcept {
    const auto found = std::find(bad_item_words.begin(), bad_item_words.end(), word);
    if (found == bad_item_words.end()) return std::nullopt;
    return static_cast<BadItem>(found - bad_item_words.begin());
}

std::string to_string(ConnectionId id) {
    std::array<char, 32> text;
    char* end = std::to_chars(text.data(), text.data() + text.size(), id.run, 16).ptr;
    *end++ = '-';
    end = std::to_chars(end, text.data() + text.size(), id.number, 16).ptr;
    return {text.data(), end};
}

std::optional<ConnectionId> parse_connection_id(std::string_view text) noexcept {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto run = parse_hex<std::uint32_t>(text.substr(0, dash));
    const auto number = parse_hex<std::uint64_t>(text.substr(dash + 1));
    if (!run || !number) return std::nullopt;
    return ConnectionId{*run, *number};
}

}  // namespace HOLDFAST_PUBLIC

void write_plan_fields(JsonWriter& json, const LivenessPlan& plan) {
    const LivenessPlan::WorstCase& worst = plan.worst_case;
    const LivenessPlan::SafeOutage& outage = plan.safe_outage;
    json.field("idle_s", plan.idle.count())
        .field("interval_s", plan.interval.count())
        .field("count", plan.count)
        .field("user_timeout_ms", plan.user_timeout.count())
        .field("rto_max_ms", std::chrono::milliseconds(plan.rto_max).count())
        .field("sweep_period_ms", plan.sweep_period.count())
        .field("silence_limit_ms", plan.silence_limit.count())
        .field("lost_probes_tolerated", plan.lost_probes_tolerated)
        .key("worst_case_ms")
        .begin_object()
        .field("fin_or_reset", worst.fin_or_reset.count())
        .field("idle", worst.idle.count())
        .field("in_flight", worst.in_flight.count())
        .field("probing", worst.probing.count())
        .field("zero_window", worst.zero_window.count())
        .end_object()
        .key("safe_outage_ms")
        .begin_object()
        .field("idle", outage.idle.count())
        .field("in_flight", outage.in_flight.count())
        .field("in_flight_uncapped", outage.in_flight_uncapped.count())
        .end_object()
        .field("safe_round_trip_ms", plan.safe_round_trip.count());
}

}  // namespace holdfast
