#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>

#include "detect/prefix_cover.h"

namespace holdfast {

/// Kinds of abnormal states of a population. The words are the metric's labels.
enum class AlarmKind : std::uint8_t {
    population_drop,        ///< an abnormal number ended, or the ended ones do not reconnect
    reconnect_storm,        ///< connections open and end far faster than usual
    bad_items,              ///< far more bad items than usual
    accept_paused,          ///< descriptors or memory for accepting are exhausted
    sink_lag,               ///< the sink accepts no events: devices wait
    keepalive_ineffective,  ///< connections end by read_idle or retransmission where keep-alive should have found them
    registry_drift,         ///< registry and kernel disagree
    buffer_pressure,        ///< the buffer memory runs out: reads pause, connections are refused or shed
    peers_silent,           ///< many peers fell silent together; their connections are held and probed
    link_down,              ///< an interface or route of this host that leads to peers has failed
    duplicate_device,       ///< several devices use one id and supersede each other repeatedly
    session_budget,         ///< more device sessions than the spool may store
    stream_loss,            ///< NATS lost acknowledged events, which are published again
    twin_gateway,           ///< another gateway has this one's name or spool
    dead_letter,            ///< NATS rejects an event in its original form
    fleet_cut_off,          ///< the gateway is cut off from its fleet: it neither reports nor sees devices elsewhere
    fleet_gateway_lost,     ///< another gateway of the fleet sends no beats: its devices have no gateway
    presence_budget,        ///< the fleet drops records of closed devices early: too many unauthenticated ids
    spool_unreadable,       ///< events in the spool cannot be read at present
    spool_damaged,          ///< events in the spool are damaged
    idle_timeout,           ///< connections end again and again after the same silence
    worker_restarted,       ///< the gateway's worker crashed, and its keeper started another one
};
inline constexpr std::size_t alarm_kind_count = static_cast<std::size_t>(AlarmKind::worker_restarted) + 1;
[[nodiscard]] std::string_view to_string(AlarmKind kind) noexcept;
/// Returns nullopt for another word.
[[nodiscard]] std::optional<AlarmKind> parse_alarm_kind(std::string_view word) noexcept;

struct ReasonShare {
    CloseReason reason{};
    std::size_t count = 0;

    friend bool operator==(const ReasonShare&, const ReasonShare&) = default;
};

/// Interval of the ends that an alarm counts, from the first to the last. A connection belongs to the alarm if it ended
/// within the interval, for one of the alarm's reasons. Also, its peer is one of `peers` or, without a list, it was
/// open before `from`.
struct AlarmInterval {
    static constexpr std::chrono::milliseconds error{5};  ///< of the conversion to the wall clock

    EventTime from;  ///< the first end
    EventTime to;    ///< the last end

    friend bool operator==(const AlarmInterval&, const AlarmInterval&) = default;
};

/// An operator's note on the alarm.
struct Acknowledgement {
    EventTime at;
    std::string note;

    friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};

/// State of the suspects of a peers_silent alarm.
struct SilentPeers {
    EventTime since;                     ///< when the first became suspect
    std::size_t suspects = 0;            ///< now
    std::size_t recovered = 0;           ///< answered again; the other former suspects have ended
    std::chrono::milliseconds lasted{};  ///< from `since` to the latest answer
    std::size_t times = 1;               ///< waves of silence while the alarm was active

    friend bool operator==(const SilentPeers&, const SilentPeers&) = default;
};

/// One alarm with its explanation. A value; `summary`, `cause` and `advice` are texts for people.
struct Alarm {
    std::uint64_t id = 0;  ///< counts from 1, and goes on after a restart with a state file
    AlarmKind kind{};
    std::string listener;  ///< empty: concerns no single listener
    EventTime raised_at;
    std::optional<EventTime> cleared_at;

    std::size_t count = 0;                       ///< connections that ended, bad items, ...: depends on the kind
    std::chrono::milliseconds took{};            ///< from the first to the last of them
    std::optional<AlarmInterval> interval = {};  ///< of those connections, if they have ended
    /// Peers of those connections, sorted, if the interval has other ends with the same reasons; else null.
    std::shared_ptr<const std::vector<Endpoint>> peers = {};
    bool of_bad_items = false;          ///< the latest item of at least half of them was bad
    std::size_t population_before = 0;  ///< at the interval's start
    std::size_t population_now = 0;     ///< updated while the alarm is active
    std::vector<ReasonShare> reasons;   ///< largest first
    /// The smallest that cover the ended connections, largest share first; at most 8.
    std::vector<PrefixShare> prefixes;
    std::size_t elsewhere = 0;               ///< ended connections in none of `prefixes`
    std::optional<SilentPeers> silent = {};  ///< of peers_silent
    std::optional<Acknowledgement> acknowledged = {};
    std::string summary;  ///< "4,100 in 9 s, 93 % keepalive_expired, all of 10.2.0.0/16"
    std::string cause;    ///< the likely cause, a sentence
    std::string advice;   ///< what to do or check, a sentence
};

/// Active and recent alarms.
struct AlarmBoard {
    std::vector<Alarm> active;  ///< newest first
    std::vector<Alarm> recent;  ///< cleared ones, newest first; at most 100
    std::uint64_t last_id = 0;  ///< of the latest alarm

    /// Returns the alarm, active or cleared; nullptr if the board lacks it.
    [[nodiscard]] Alarm* find(std::uint64_t id);
};

}  // namespace holdfast
