#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>

#include "detect/prefix_cover.h"

namespace holdfast {

/// What can be wrong with a population of connections. The words are the metric's labels.
enum class AlarmKind : std::uint8_t {
    population_drop,        ///< an abnormal number ended, or those that ended do not come back
    reconnect_storm,        ///< connections come and go far faster than they live
    bad_items,              ///< far more bad items than usual
    accept_paused,          ///< no descriptors or memory to accept with
    sink_lag,               ///< the sink takes no events: devices wait
    keepalive_ineffective,  ///< connections end by read_idle or retransmission where keep-alive should have found them
    registry_drift,         ///< registry and kernel disagree
    buffer_pressure,        ///< the memory for buffers runs out: devices wait, are turned away, or are shed
    peers_silent,           ///< many peers fell silent together; their connections are held and probed
    link_down,              ///< an interface or route of this host that leads to peers has failed
    duplicate_device,       ///< several devices use one id: each takes it from the other again and again
    session_budget,         ///< more sessions of devices than the spool may remember
    stream_loss,            ///< NATS does not hold any more what it acknowledged: it is published again
    twin_gateway,           ///< another gateway has this one's name or spool
    dead_letter,            ///< NATS does not take an event as it is
    fleet_cut_off,          ///< the gateway takes no part in its fleet: it neither reports nor sees devices elsewhere
    presence_budget,        ///< the fleet forgets closed devices early: there are too many invented ids
    spool_unreadable,       ///< events in the spool cannot be read now
    spool_damaged,          ///< events in the spool are damaged
};
inline constexpr std::size_t alarm_kind_count = 19;
extern const std::array<AlarmKind, alarm_kind_count> all_alarm_kinds;
[[nodiscard]] std::string_view to_string(AlarmKind kind) noexcept;

struct ReasonShare {
    CloseReason reason{};
    std::size_t count = 0;

    friend bool operator==(const ReasonShare&, const ReasonShare&) = default;
};

/// How the suspects of a peers_silent alarm stand.
struct SilentPeers {
    EventTime since;                     ///< when the first of them became suspect
    std::size_t suspects = 0;            ///< now
    std::size_t recovered = 0;           ///< answered again; the others that are no suspects any more have ended
    std::chrono::milliseconds lasted{};  ///< from `since` to the latest of these answers
    std::size_t times = 1;               ///< that peers fell silent while the alarm was active

    friend bool operator==(const SilentPeers&, const SilentPeers&) = default;
};

/// One alarm with its explanation. A value; `summary` and `cause` are made for people.
struct Alarm {
    std::uint64_t id = 0;  ///< 1 for the gateway's first
    AlarmKind kind{};
    std::string listener;  ///< empty: not one listener's
    EventTime raised_at;
    std::optional<EventTime> cleared_at;

    std::size_t count = 0;             ///< connections that ended, bad items, ...: what the kind counts
    std::chrono::milliseconds took{};  ///< from the first of them to the last
    std::size_t population_before = 0;
    std::size_t population_now = 0;          ///< kept current while it is active
    std::vector<ReasonShare> reasons;        ///< largest first
    std::vector<PrefixShare> prefixes;       ///< the smallest that cover the dead, largest share first; at most 8
    std::size_t elsewhere = 0;               ///< of the dead, those in none of `prefixes`
    std::optional<SilentPeers> silent = {};  ///< of peers_silent
    std::string summary;                     ///< "4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16"
    std::string cause;                       ///< the likely one, a sentence
    std::string advice;                      ///< what to do or to look at, a sentence
};

/// What is wrong now, and what was.
struct AlarmBoard {
    std::vector<Alarm> active;  ///< newest first
    std::vector<Alarm> recent;  ///< cleared ones, newest first; at most 100
};

}  // namespace holdfast
