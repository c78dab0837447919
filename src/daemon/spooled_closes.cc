#include "daemon/spooled_closes.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include <holdfast/reason.h>

#include "codec/event_fields.h"
#include "codec/event_line.h"
#include "text/units.h"

namespace holdfast {
namespace {

using EventObject = simdjson::dom::object;

std::string text_at(const EventObject& object, std::string_view name) {
    std::string_view text;
    return object[name].get(text) ? std::string() : std::string(text);
}

template <typename Number>
Number number_at(const EventObject& object, std::string_view name) {
    std::uint64_t number = 0;
    if (object[name].get(number)) return {};
    return static_cast<Number>(std::min<std::uint64_t>(number, std::numeric_limits<Number>::max()));
}

/// Returns nullopt for null and for a missing field.
std::optional<std::chrono::milliseconds> seconds_at(const EventObject& object, std::string_view name) {
    constexpr double max = 1e10;  // three centuries
    double seconds = 0;
    if (object[name].get(seconds) || seconds < 0 || seconds > max) return std::nullopt;
    return std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
}

std::optional<EventTime> time_at(const EventObject& object, std::string_view name) {
    const auto time = parse_time(text_at(object, name), EventTime());
    return time ? std::optional<EventTime>(time.value()) : std::nullopt;
}

/// Returns false if the event has none: the connection's process did not observe the close.
bool read_evidence(const EventObject& event, Evidence& evidence) {
    EventObject fields;
    if (event[field::evidence.name].get(fields)) return false;
    evidence.probes = number_at<std::uint32_t>(fields, field::probes.name);
    evidence.retransmits = number_at<std::uint32_t>(fields, field::retransmits.name);
    evidence.last_ack = std::chrono::milliseconds(number_at<std::uint32_t>(fields, field::last_ack_ms.name));
    evidence.unacked_bytes = number_at<std::uint64_t>(fields, field::unacked_bytes.name);
    evidence.peer_window = number_at<std::uint32_t>(fields, field::peer_window.name);
    evidence.rtt = std::chrono::microseconds(number_at<std::uint32_t>(fields, field::rtt_us.name));
    return true;
}

/// Sets the fields that may be missing.
void read_rest(const EventObject& event, ClosedLife& life) {
    life.detail = text_at(event, field::detail.name);
    life.id = text_at(event, field::id.name);
    bool authenticated = false;
    life.authenticated = !event[field::authenticated.name].get(authenticated) && authenticated;
    life.liveness =
        text_at(event, field::liveness.name) == to_string(LivenessOf::path) ? LivenessOf::path : LivenessOf::device;
    life.error = parse_error_name(text_at(event, field::error.name));
    life.code = number_at<std::uint32_t>(event, field::code.name);
    life.items = number_at<std::uint64_t>(event, field::items.name);
    life.bytes_in = number_at<std::uint64_t>(event, field::bytes_in.name);
    life.bytes_out = number_at<std::uint64_t>(event, field::bytes_out.name);
    life.observed = read_evidence(event, life.evidence);
    const auto connected_at = time_at(event, field::connected_at.name);
    const auto since = connected_at ? life.at - *connected_at : std::chrono::milliseconds(0);
    life.duration = seconds_at(event, field::duration_s.name).value_or(std::max(since, std::chrono::milliseconds(0)));
}

std::optional<ClosedLife> parse_closed(const EventObject& event) {
    const auto conn = parse_connection_id(text_at(event, field::conn.name));
    const auto peer = parse_endpoint(text_at(event, field::peer.name));
    const auto reason = parse_close_reason(text_at(event, field::reason.name));
    const auto at = time_at(event, field::at.name);
    if (!conn || !peer || !reason || !at) return std::nullopt;
    ClosedLife life;
    life.conn = *conn;
    life.peer = peer.value();
    life.reason = *reason;
    life.at = *at;
    read_rest(event, life);
    return life;
}

/// Returns the connections whose events are after `begin` and up to `end`. Leaves out what cannot be read.
std::vector<ClosedLife> closes_between(Spool& spool, Position begin, Position end,
                                       std::chrono::steady_clock::time_point until) {
    constexpr std::size_t max_page_bytes = std::size_t{4} << 20;
    std::vector<ClosedLife> lives;
    for (Position at = begin; at < end && std::chrono::steady_clock::now() < until;) {
        const auto page = spool.read(at, static_cast<std::size_t>(end - at), max_page_bytes);
        if (!page || page.value().next_after <= at) break;
        for (const SpooledEvent& event : page.value().events) {
            auto life = event.position <= end ? parse_closed_line(event.line) : std::nullopt;
            if (!life) continue;
            life->listener = event.listener;
            lives.push_back(std::move(*life));
        }
        at = page.value().next_after;
    }
    return lives;
}

}  // namespace

std::optional<ClosedLife> parse_closed_line(std::string_view line) {
    if (life_line(line).event != LifeEvent::closed) return std::nullopt;
    simdjson::dom::parser parser;
    EventObject event;
    if (parser.parse(line.data(), line.size()).get(event)) return std::nullopt;
    return parse_closed(event);
}

std::vector<ClosedLife> closes_after(Spool& spool, Position after, const SpooledCloses& limits) {
    const auto until = std::chrono::steady_clock::now() + limits.max_time;
    const SpoolStatus status = spool.status();
    after = std::max(after, std::max<Position>(status.first, 1) - 1);
    std::vector<ClosedLife> newest_first;
    for (Position end = status.last; end > after && newest_first.size() < limits.max;) {
        const Position begin = std::max(after, end - std::min(end, limits.step));
        std::vector<ClosedLife> lives = closes_between(spool, begin, end, until);
        if (std::chrono::steady_clock::now() >= until) break;
        newest_first.insert(newest_first.end(), std::make_move_iterator(lives.rbegin()),
                            std::make_move_iterator(lives.rend()));
        end = begin;
    }
    if (newest_first.size() > limits.max) newest_first.resize(limits.max);
    std::reverse(newest_first.begin(), newest_first.end());
    return newest_first;
}

}  // namespace holdfast
