#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <holdfast/bad_items.h>
#include <holdfast/events.h>

#include "codec/event_field.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

// The one table of events: their kinds, and the fields of each kind in order. A field has a JSON name, a type, a
// condition, a meaning and an example. EventWriter and the append_ functions of codec/event_writer write by this table.
// `holdfast describe events` prints it for docs/reference.

namespace field {

inline constexpr EventField conn{"conn",
                                 FieldType::conn,
                                 always,
                                 "Connection. The part before the dash is new in each run of the gateway.",
                                 R"("7f2c91a0-1")",
                                 [](const auto& event) { return event.conn; }};
inline constexpr EventField listener{
    "listener",     FieldType::text,
    always,         "Name of the listener.",
    R"("devices")", [](const auto& event) { return std::string_view(event.listener); }};
inline constexpr EventField peer{
    "peer",
    FieldType::endpoint,
    always,
    "Remote address and port; behind `proxy_protocol` the device's, if the proxy knows it.",
    R"("10.2.0.9:51514")",
    [](const auto& event) { return event.peer; }};
inline constexpr EventField id{"id",
                               FieldType::text,
                               "after the device's hello",
                               "Identity that the device states in its hello.",
                               R"("device-17")",
                               [](const auto& event) { return unless_empty(device_of(event).id); }};
inline constexpr EventField session{"session",
                                    FieldType::text,
                                    "if the device's hello has one",
                                    "Run of the device's numbers for its items.",
                                    R"("boot-42")",
                                    [](const auto& event) { return unless_empty(device_of(event).session); }};
inline constexpr EventField authenticated{"authenticated",
                                          FieldType::flag,
                                          with_id,
                                          "True if a certificate or token proved the id. A consumer must check it.",
                                          "true",
                                          [](const auto& event) {
                                              const DeviceName& device = device_of(event);
                                              return device.id.empty() ? std::nullopt
                                                                       : std::optional(device.authenticated);
                                          }};
inline constexpr EventField liveness{
    "liveness",
    FieldType::text,
    "on a listener with `proxy_protocol`",
    "`path`: keep-alive checks the path to the proxy, which answers for the device.",
    R"("path")",
    [](const auto& event) {
        return event.liveness == LivenessOf::path ? std::optional(to_string(event.liveness)) : std::nullopt;
    }};
inline constexpr EventField at{"at",
                               FieldType::time,
                               always,
                               "UTC, milliseconds. Events of one turn of a reactor share it.",
                               R"("2026-11-22T08:00:00.123Z")",
                               [](const auto& event) { return event.at; }};

inline constexpr EventField seq{
    "seq",
    FieldType::count,
    "if the device numbers its items",
    "The device's number for the item, in its session.",
    "5",
    [](const auto& event) { return event.seq == 0 ? std::nullopt : std::optional(event.seq); }};
inline constexpr EventField n{"n",    FieldType::count,
                              always, "Number of the item in its connection, from 1. Bad items have no number.",
                              "1",    [](const auto& event) { return event.n; }};
inline constexpr EventField key{"key",
                                FieldType::text,
                                always,
                                "Value of the item's key field (`item.key`, by default `ip`).",
                                R"("10.20.30.40")",
                                [](const auto& event) { return std::string_view(event.key); }};
inline constexpr EventField payload{"payload",
                                    FieldType::text,
                                    "if the listener's `payload` is not `json`",
                                    "`text` or `base64`: what the string in `item` has.",
                                    R"("base64")",
                                    [](const auto& event) {
                                        return event.payload == Payload::json ? std::nullopt
                                                                              : std::optional(to_string(event.payload));
                                    }};
inline constexpr EventField item{"item",
                                 FieldType::item,
                                 always,
                                 "The device's object, with spaces for raw line breaks; a string with `payload`.",
                                 R"({"ip":"10.20.30.40","status":"online"})",
                                 [](const auto& event) {
                                     return ItemText{event.item, event.payload};
                                 }};

inline constexpr EventField reason{"reason", FieldType::reason,
                                   always,   "Reason of the close: see [reasons](reasons.md).",
                                   "",       [](const auto& event) {
        return to_string(event.reason); }};
inline constexpr EventField kind{"kind",         FieldType::kind,
                                 always,         "Kind of the reason.",
                                 R"("network")", [](const auto& event) { return to_string(kind_of(event.reason)); }};
inline constexpr auto error =
    nullable(EventField{"error", FieldType::text, always, "Name of the errno behind the close.", R"("ETIMEDOUT")",
                        [](const auto& event) { return unless_empty(error_name(event.error)); }},
             "always; null without an errno");
inline constexpr EventField detail{"detail",
                                   FieldType::text,
                                   "if there is more to say",
                                   "Sentence about the cause.",
                                   R"("an unfinished item of 21 bytes was left over")",
                                   [](const auto& event) { return unless_empty(std::string_view(event.detail)); }};
inline constexpr EventField code{
    "code",
    FieldType::count,
    "if the embedding program gave one",
    "The program's number of its reason `application`.",
    "402",
    [](const auto& event) { return event.code == 0 ? std::nullopt : std::optional<std::uint64_t>(event.code); }};
inline constexpr EventField evidence{"evidence", FieldType::evidence,
                                     always,     "State of the kernel's socket (TCP_INFO) at the close.",
                                     "",         [](const auto& event) { return EventEvidence{event.evidence}; }};
inline constexpr EventField items{"items", FieldType::count,
                                  always,  "Number of items of the connection.",
                                  "1",     [](const auto& event) { return event.items; }};
inline constexpr EventField bytes_in{
    "bytes_in", FieldType::count, always, "Bytes received.", "49", [](const auto& event) { return event.bytes_in; }};
inline constexpr EventField bytes_out{"bytes_out", FieldType::count,
                                      always,      "Bytes that the kernel took to send.",
                                      "0",         [](const auto& event) { return event.bytes_out; }};
inline constexpr EventField bad_items{
    "bad_items",
    FieldType::object,
    "if the connection had bad items",
    "Number of bad items by kind.",
    R"({"not_json":3})",
    [](const auto& event) {
        return event.bad_items ? std::optional(CountsOfBadItems{event.bad_items->counts}) : std::nullopt;
    }};
inline constexpr EventField last_bad_item{
    "last_bad_item",
    FieldType::object,
    "if the connection had bad items",
    "The latest bad item: see [bad items](answers.md#bad-items).",
    R"({"kind":"not_json","position":49,"bytes":5,"head":"hello","at":"2026-11-22T08:01:01.523Z"})",
    [](const auto& event) { return event.bad_items ? std::optional(event.bad_items->last) : std::nullopt; }};
inline constexpr EventField duration_s{"duration_s", FieldType::seconds,
                                       always,       "Time from accept to close.",
                                       "61.4",       [](const auto& event) { return TenthsOfSeconds{event.duration}; }};

inline constexpr EventField connected_at{"connected_at",
                                         FieldType::time,
                                         "always; null if it is not known",
                                         "`at` of the connection's `connected` event.",
                                         R"("2026-11-22T08:00:00.123Z")",
                                         [](const auto& event) { return unless_empty(event.connected_at); }};
inline constexpr EventField last_event_at{"last_event_at",
                                          FieldType::time,
                                          "always; null if it is not known",
                                          "`at` of the connection's latest event in the spool.",
                                          R"("2026-11-22T08:01:01.523Z")",
                                          [](const auto& event) { return unless_empty(event.last_event_at); }};
inline constexpr EventField returned{"returned", FieldType::flag,
                                     always,     "True: the connection had been reported as lost, and is still there.",
                                     "true",     [](const auto&) { return true; }};
inline constexpr EventField gateway{"gateway",     FieldType::text,
                                    always,        "Name of the gateway that had the connection.",
                                    R"("east-1")", [](const auto& event) { return std::string_view(event.gateway); }};
inline constexpr EventField by{"by",          FieldType::text,
                               always,        "Name of the gateway that writes the event.",
                               R"("east-2")", [](const auto& event) { return std::string_view(event.by); }};

inline constexpr EventField of{"of",        FieldType::text,
                               always,      "Word of the event that NATS refuses.",
                               R"("item")", [](const auto& event) { return event.of; }};
inline constexpr EventField spool{"spool",
                                  FieldType::text,
                                  always,
                                  "Id of the spool that has the event.",
                                  R"("00112233aabbccdd")",
                                  [](const auto& event) { return event.spool; }};
inline constexpr EventField epoch{"epoch",
                                  FieldType::text,
                                  "if the spool has one",
                                  "Epoch of the position.",
                                  R"("0011223344556677")",
                                  [](const auto& event) { return unless_empty(event.epoch); }};
inline constexpr EventField position{"position", FieldType::count,
                                     always,     "Position of the event in the spool.",
                                     "17",       [](const auto& event) { return event.position; }};
inline constexpr EventField bytes{"bytes",   FieldType::count,
                                  always,    "Size of the event's line.",
                                  "2097252", [](const auto& event) { return event.bytes; }};
inline constexpr EventField why{"why",
                                FieldType::text,
                                always,
                                "Reason why NATS refuses the event.",
                                R"("the message is larger than max_payload")",
                                [](const auto& event) { return event.why; }};

// The evidence: a nested object.
inline constexpr EventField probes{"probes", FieldType::count,
                                   always,   "Keep-alive or window probes that are out and unanswered.",
                                   "5",      [](const Evidence& facts) { return facts.probes; }};
inline constexpr EventField retransmits{"retransmits", FieldType::count,
                                        always,        "Consecutive retransmissions of the oldest segment.",
                                        "0",           [](const Evidence& facts) { return facts.retransmits; }};
inline constexpr EventField last_ack_ms{"last_ack_ms", FieldType::count,
                                        always,        "Time since the peer's last acknowledgement.",
                                        "20012",       [](const Evidence& facts) { return facts.last_ack.count(); }};
inline constexpr EventField last_heard_ms{
    "last_heard_ms", FieldType::count,
    always,          "Time since anything from the peer, acknowledgement or data.",
    "20012",         [](const Evidence& facts) { return facts.last_heard.count(); }};
inline constexpr EventField unacked_bytes{"unacked_bytes",
                                          FieldType::count,
                                          always,
                                          "Bytes that the kernel has taken and the peer has not acknowledged.",
                                          "0",
                                          [](const Evidence& facts) { return facts.unacked_bytes; }};
inline constexpr EventField unsent_bytes{"unsent_bytes",
                                         FieldType::count,
                                         always,
                                         "Part of `unacked_bytes` that has not been sent.",
                                         "0",
                                         [](const Evidence& facts) { return facts.unsent_bytes; }};
inline constexpr EventField peer_window{"peer_window", FieldType::count,
                                        always,        "Receive window of the peer, in bytes.",
                                        "64512",       [](const Evidence& facts) { return facts.peer_window; }};
inline constexpr EventField rtt_us{"rtt_us", FieldType::count,
                                   always,   "Smoothed round-trip time.",
                                   "310",    [](const Evidence& facts) { return facts.rtt.count(); }};

// A bad item: a nested object, and a row of /v1/bad.
inline constexpr EventField bad_item_kind{
    "kind",          FieldType::text,
    always,          "Kind of the bad item: see [items](protocol.md#items).",
    R"("not_json")", [](const BadItemFacts& facts) { return to_string(facts.kind); }};
inline constexpr EventField byte_position{"position", FieldType::count,
                                          always,     "Number of the connection's bytes before the bad item.",
                                          "49",       [](const BadItemFacts& facts) { return facts.position; }};
inline constexpr EventField size{"bytes", FieldType::count,
                                 always,  "Size of the bad item, as far as it had arrived.",
                                 "5",     [](const BadItemFacts& facts) { return facts.bytes; }};
inline constexpr EventField head{
    "head",       FieldType::text,
    always,       "First 64 bytes; bytes that are not printable UTF-8 are escaped as `\\xff`.",
    R"("hello")", [](const BadItemFacts& facts) { return printable_bytes(facts.head.view()); }};
inline constexpr EventField recognized{
    "detail",
    FieldType::text,
    "if the protocol or the mistake is recognized",
    "Protocol or mistake that the bytes show, and the remedy.",
    R"("the object spans several lines; set framing = \"json\"")",
    [](const BadItemFacts& facts) { return unless_empty(std::string_view(facts.detail)); }};
inline constexpr EventField number{"number", FieldType::count,
                                   always,   "Number of the bad item among those kept since the gateway's start.",
                                   "17",     [](const BadItemRow& row) { return row.number; }};

/// Fields of a connection that all its items share.
inline constexpr std::tuple origin(conn, peer, id, session, authenticated);
constexpr std::size_t origin_count = std::tuple_size_v<decltype(origin)>;

}  // namespace field

inline constexpr EventKind connected_kind{"connected", "connected", "A connection was accepted.",
                                          std::tuple(field::conn, field::listener, field::peer, field::id,
                                                     field::session, field::authenticated, field::liveness, field::at)};
inline constexpr EventKind identified_kind{
    "identified", "identified", "The device sent its hello after `connected` was written.",
    std::tuple(field::conn, field::listener, field::peer, field::when(field::id, field::always), field::session,
               field::when(field::authenticated, field::always), field::at)};
inline constexpr EventKind item_kind{"item", "item", "The device has sent an item.",
                                     std::tuple_cat(field::origin, std::tuple(field::seq, field::n, field::key,
                                                                              field::payload, field::item, field::at))};
inline constexpr EventKind bad_item_event_kind{
    "bad_item", "bad_item", "With `sink.bad_items`: an item that is not valid.",
    std::tuple(field::conn, field::listener, field::peer, field::id, field::session, field::authenticated, field::items,
               field::bad_item_kind, field::byte_position, field::size, field::head, field::recognized, field::at)};
inline constexpr EventKind closed_kind{
    "closed", "closed", "A connection ended.",
    std::tuple_cat(field::origin,
                   std::tuple(field::liveness, field::reason, field::kind, field::error, field::code, field::detail,
                              field::evidence, field::items, field::bad_items, field::last_bad_item, field::bytes_in,
                              field::bytes_out, field::duration_s, field::at))};
inline constexpr EventKind lost_kind{
    "closed", "closed_after_restart",
    "A connection whose process ended without closing it. Its gateway writes the event at its next start.",
    std::tuple(field::conn, field::when(field::copied(field::listener), "if it is known"),
               field::when(field::copied(field::peer), "if it is known"), field::copied(field::id),
               field::copied(field::session), field::copied(field::authenticated), field::copied(field::liveness),
               field::reason, field::kind, field::unknown(field::error),
               field::such_as(field::when(field::detail, field::always), R"("the gateway ended without closing it")"),
               field::unknown(field::evidence), field::nullable(field::items, "always; null if it is not known"),
               field::unknown(field::bytes_in), field::unknown(field::bytes_out), field::unknown(field::duration_s),
               field::nullable(field::connected_at, "always; null if it is not known"),
               field::nullable(field::last_event_at, "always; null if it is not known"), field::at)};
inline constexpr EventKind lost_elsewhere_kind{
    "closed", "closed_by_fleet", "A connection of a lost gateway. Another gateway of the fleet writes the event.",
    std::tuple(field::conn, field::listener, field::peer, field::when(field::id, field::always),
               field::when(field::authenticated, field::always), field::reason, field::kind,
               field::such_as(field::when(field::detail, field::always),
                              R"("the gateway east-1 was lost; east-2 reports it")"),
               field::gateway, field::by, field::at)};
inline constexpr EventKind returned_kind{
    "connected", "connected_again", "A gateway that the fleet had given up is back and still has the connection.",
    std::tuple(field::conn, field::listener, field::peer, field::when(field::id, field::always),
               field::when(field::authenticated, field::always), field::returned, field::gateway, field::at)};
inline constexpr EventKind dead_letter_kind{
    "dead_letter", "dead_letter", "NATS only: stands for an event that JetStream refuses. The spool has the event.",
    std::tuple(field::of, field::when(field::copied(field::conn), "if the event has it"),
               field::when(field::copied(field::peer), "if the event has it"), field::copied(field::id),
               field::copied(field::session), field::copied(field::authenticated), field::copied(field::seq),
               field::when(field::copied(field::n), "if the event has it"), field::listener, field::spool, field::epoch,
               field::position, field::bytes, field::why,
               field::with(field::when(field::at, "if the event has it"),
                           [](const auto& event) { return field::unless_empty(event.at); }))};

/// Calls `visit` with each kind of event.
template <typename Visit>
void visit_event_kinds(const Visit& visit) {
    visit(connected_kind);
    visit(identified_kind);
    visit(item_kind);
    visit(bad_item_event_kind);
    visit(closed_kind);
    visit(lost_kind);
    visit(lost_elsewhere_kind);
    visit(returned_kind);
    visit(dead_letter_kind);
}

// Objects that are no events.

inline constexpr EventKind evidence_kind{
    "", "evidence", "The kernel's evidence, as the admin API has it.",
    std::tuple(field::probes, field::retransmits, field::last_ack_ms, field::last_heard_ms, field::unacked_bytes,
               field::unsent_bytes, field::peer_window, field::rtt_us)};
inline constexpr EventKind event_evidence_kind{"", "evidence", "The kernel's evidence, as events have it.",
                                               std::tuple(field::probes, field::retransmits, field::last_ack_ms,
                                                          field::unacked_bytes, field::peer_window, field::rtt_us)};
/// Returns a field of a closed life without a value if its end was not observed.
template <typename Get>
[[nodiscard]] constexpr auto if_observed(const EventField<Get>& field, auto get) {
    return field::nullable(field::with(field,
                                       [get](const ClosedLife& life) {
                                           using Value = decltype(get(life));
                                           return life.observed ? std::optional<Value>(get(life)) : std::nullopt;
                                       }),
                           "always; null if its gateway was lost");
}
template <typename Get>
[[nodiscard]] constexpr auto if_observed(const EventField<Get>& field) {
    return if_observed(field, field.get);
}

inline constexpr EventKind closed_life_kind{
    "", "closed_life", "A connection in the history (/v1/closed).",
    std::tuple(field::conn, field::listener, field::peer, field::id,
               field::nullable(
                   field::with(field::key,
                               [](const ClosedLife& life) { return field::unless_empty(std::string_view(life.key)); }),
                   "always; null without an item"),
               field::reason, field::kind, field::error, field::code,
               field::nullable(field::detail, "always; null without one"),
               if_observed(field::evidence, [](const ClosedLife& life) { return life.evidence; }),
               if_observed(field::items), field::bad_items, field::last_bad_item, if_observed(field::bytes_in),
               if_observed(field::bytes_out),
               if_observed(field::duration_s, [](const ClosedLife& life) { return Seconds{life.duration}; }),
               field::with(field::nullable(field::connected_at, "always; null if it is not known"),
                           [](const ClosedLife& life) {
                               const bool known = life.observed || life.duration > std::chrono::milliseconds(0);
                               return known ? std::optional(life.at - life.duration) : std::nullopt;
                           }),
               field::at, field::authenticated)};

inline constexpr EventKind last_bad_item_kind{
    "", "last_bad_item", "The latest bad item of a connection.",
    std::tuple(field::bad_item_kind, field::byte_position, field::size, field::head, field::recognized, field::at)};
inline constexpr EventKind bad_item_row_kind{
    "", "bad_item_row", "A bad item, as the admin API has it.",
    std::tuple(field::number, field::conn, field::listener, field::peer, field::id, field::authenticated,
               field::bad_item_kind, field::byte_position, field::size, field::head, field::recognized, field::at)};

}  // namespace holdfast
