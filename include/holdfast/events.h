#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>
#include <holdfast/reason.h>
#include <holdfast/visibility.h>

namespace holdfast HOLDFAST_PUBLIC {

/// Names one connection for ever: `run` is drawn anew by each start of a gateway, `number` is never used twice in a
/// run. The text form is both in hexadecimal, "7f2c91a0-1".
struct ConnectionId {
    std::uint32_t run = 0;
    std::uint64_t number = 0;

    friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

[[nodiscard]] std::string to_string(ConnectionId id);
[[nodiscard]] std::optional<ConnectionId> parse_connection_id(std::string_view text) noexcept;

/// Wall-clock time of an event; taken once a turn, so events of one turn share it.
using EventTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// What the kernel knew about a connection (TCP_INFO, tcp(7)) when it was asked or when it ended.
struct Evidence {
    std::uint32_t probes = 0;                ///< keep-alive or window probes out and unanswered
    std::uint32_t retransmits = 0;           ///< consecutive retransmissions of the oldest segment
    std::chrono::milliseconds last_ack{};    ///< since the last acknowledgement from the peer
    std::chrono::milliseconds last_heard{};  ///< since anything from the peer: acknowledgement or data
    std::uint64_t unacked_bytes = 0;         ///< given to the kernel, not acknowledged by the peer
    std::uint64_t unsent_bytes = 0;          ///< of those, not sent yet
    std::uint32_t peer_window = 0;           ///< bytes that the peer says it would take
    std::chrono::microseconds rtt{};         ///< smoothed round trip

    friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// Identity that a device states (docs/reference/protocol.md). Empty texts: it stated none. An authenticated and an
/// unauthenticated session of the same texts are two sessions: neither changes what the other is told.
struct DeviceName {
    std::string_view id;
    std::string_view session;    ///< the run of its numbering; needs an id
    bool authenticated = false;  ///< a certificate or a token has proved the id

    friend bool operator==(const DeviceName&, const DeviceName&) = default;
};

/// A listener with `acks` tells it when the device has said its hello, or something else, or has been silent for a
/// second or two; any other at once.
struct ConnectedEvent {
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    EventTime at;
    DeviceName device = {};
    LivenessOf liveness = LivenessOf::device;
    bool authenticated = false;  ///< as device.authenticated
    EventTime established = {};  ///< when the kernel completed the connection, which may be long before its accept
    bool ended = false;          ///< its peer has already shut it down: it takes the id from no other connection
};

/// The device has said its hello after its `connected` was told.
struct IdentifiedEvent {
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    DeviceName device = {};
    EventTime at;
    bool authenticated = false;  ///< as device.authenticated
    EventTime established = {};  ///< as in ConnectedEvent
    bool ended = false;          ///< as in ConnectedEvent
};

/// Views are valid during the call only.
struct ItemEvent {
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    std::uint64_t n = 0;    ///< 1 for the connection's first item
    std::string_view key;   ///< the key field's value, unescaped, UTF-8
    std::string_view item;  ///< the device's JSON object, byte for byte
    EventTime at;
    DeviceName device = {};
    std::uint64_t seq = 0;  ///< the device's number for it, in its session; 0: it does not number
};

struct ClosedEvent {
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    CloseReason reason{};
    int error = 0;            ///< the errno behind it, 0 if there was none
    std::string_view detail;  ///< a sentence that helps, or empty
    Evidence evidence;
    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::chrono::milliseconds duration{};
    EventTime at;
    DeviceName device = {};
    LivenessOf liveness = LivenessOf::device;
};

/// A numbered item that was refused, and counts as handled: there will be no event, but its number is taken.
struct RefusedItem {
    ConnectionId conn;
    DeviceName device = {};
    std::uint64_t seq = 0;
};

/// What acknowledging needs of an EventHandler whose events outlive a crash. Called on the reactor's thread; must not
/// block.
class Durable {
public:
    virtual ~Durable() = default;

    /// From now on calls `tell` when the first `count` calls of this handler's on_... functions (on_turn_end apart)
    /// have become durable; any thread, growing. Called once, before the first event.
    virtual void tell_durable(std::function<void(std::uint64_t count)> tell) = 0;

    /// Calls `answer` with the last number of that session that is durable, 0 if none: once all is durable that any
    /// handler of the same sink was given before, in turns that have ended. Any thread.
    virtual void look_up(const DeviceName& device, std::function<void(std::uint64_t seq)> answer) = 0;
};

/// Takes the events of one reactor: connected, then items, then exactly one closed for each connection.
/// Every call comes on that reactor's thread and must not block or throw. The server owns it and destroys it after
/// the reactor's thread has ended.
class EventHandler {
public:
    virtual ~EventHandler() = default;

    virtual void on_connected(const ConnectedEvent& event) = 0;
    virtual void on_item(const ItemEvent& event) = 0;
    virtual void on_closed(const ClosedEvent& event) = 0;
    virtual void on_identified(const IdentifiedEvent&) {}
    virtual void on_refused(const RefusedItem&) {}

    /// The turn that called the others has ended: the place to hand a batch on.
    virtual void on_turn_end() {}

    /// False pauses reading from devices (they see their window close); asked again every turn and every few
    /// milliseconds while paused. Nothing is dropped meanwhile.
    [[nodiscard]] virtual bool ready() { return true; }

    /// Returns nullptr if events do not outlive a crash. Server::start() then rejects a listener with `acks`, and
    /// Server::apply() leaves its acks off.
    [[nodiscard]] virtual Durable* durable() { return nullptr; }
};

}  // namespace HOLDFAST_PUBLIC
