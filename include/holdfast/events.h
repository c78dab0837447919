#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <holdfast/config.h>
#include <holdfast/counters.h>
#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>
#include <holdfast/reason.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Identifies one connection permanently: each start of a gateway draws a new `run`, and a run never repeats a
/// `number`. The text form is both in hexadecimal, "7f2c91a0-1".
struct ConnectionId {
    std::uint32_t run = 0;
    std::uint64_t number = 0;

    friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

[[nodiscard]] std::string to_string(ConnectionId id);
[[nodiscard]] std::optional<ConnectionId> parse_connection_id(std::string_view text) noexcept;

/// Wall-clock time of an event, read once per turn: events of one turn share it.
using EventTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// The kernel's knowledge of a connection (TCP_INFO, tcp(7)) when it was queried or closed.
struct Evidence {
    std::uint32_t probes = 0;                ///< unanswered keep-alive or window probes
    std::uint32_t retransmits = 0;           ///< consecutive retransmissions of the oldest segment
    std::chrono::milliseconds last_ack{};    ///< since the last acknowledgement from the peer
    std::chrono::milliseconds last_heard{};  ///< since any segment from the peer: acknowledgement or data
    std::uint64_t unacked_bytes = 0;         ///< given to the kernel, not acknowledged by the peer
    std::uint64_t unsent_bytes = 0;          ///< of those, not sent yet
    std::uint32_t peer_window = 0;           ///< bytes that the peer offers to receive
    std::chrono::microseconds rtt{};         ///< smoothed round trip

    friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// Identity that a device states (docs/reference/protocol.md); empty if it states none. An authenticated and an
/// unauthenticated session with the same texts are different sessions: neither changes the other's acknowledgements.
struct DeviceName {
    std::string_view id = {};
    std::string_view session = {};  ///< the run of its numbering; needs an id
    bool authenticated = false;     ///< a certificate or a token has proved the id

    friend bool operator==(const DeviceName&, const DeviceName&) = default;
};

/// Reports a new connection. A listener with `acks` reports it after the first frame, or after a second or two of
/// silence; other listeners report it at once.
struct ConnectedEvent {
    ConnectionId conn = {};
    std::string_view listener = {};
    Endpoint peer = {};
    EventTime at = {};
    DeviceName device = {};
    LivenessOf liveness = LivenessOf::device;
    bool authenticated = false;  ///< as device.authenticated
    EventTime established = {};  ///< when the kernel completed the connection, which may be long before accept
    bool ended = false;          ///< its peer has already shut it down: it supersedes no other connection
};

/// Reports a hello that arrived after the `connected` event.
struct IdentifiedEvent {
    ConnectionId conn = {};
    std::string_view listener = {};
    Endpoint peer = {};
    DeviceName device = {};
    EventTime at = {};
    bool authenticated = false;  ///< as device.authenticated
    EventTime established = {};  ///< as in ConnectedEvent
    bool ended = false;          ///< as in ConnectedEvent
};

/// Text of an object or an array, as JSON without white space.
struct JsonText {
    std::string_view text = {};

    friend bool operator==(const JsonText&, const JsonText&) = default;
};

/// Value of a field of an item. A whole number is an std::int64_t, or an std::uint64_t above its range.
using FieldValue = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string_view, JsonText>;

/// The parsed fields of an item.
class ItemFields {
public:
    virtual ~ItemFields() = default;

    /// Returns the value of a field; see ItemEvent::field().
    [[nodiscard]] virtual std::optional<FieldValue> find(std::string_view name) const = 0;
};

/// Reports an item. Views are valid during the call only.
struct ItemEvent {
    ConnectionId conn = {};
    std::string_view listener = {};
    Endpoint peer = {};
    std::uint64_t n = 0;         ///< 1 for the connection's first item
    std::string_view key = {};   ///< value of the key field, unescaped, UTF-8
    std::string_view item = {};  ///< the device's item, byte for byte: a JSON object, or as `payload` says
    EventTime at = {};
    DeviceName device = {};
    std::uint64_t seq = 0;  ///< the device's number for it, in its session; 0: unnumbered
    Payload payload = Payload::json;
    const ItemFields* fields = nullptr;  ///< of `item`, parsed; null in an event of a program's own

    /// Returns the value of a top-level field by its exact name, else of the path with dots, "position.lat", through
    /// objects. Returns nullopt if there is none, or if the payload is not JSON. Parses nothing, unless `fields` is
    /// null. A text is unescaped. In an item with a number that no machine type holds, numbers have no value. Views are
    /// valid until the next call, or the end of on_item(). On the reactor's thread.
    [[nodiscard]] std::optional<FieldValue> field(std::string_view name) const;
};

/// The first bytes of a bad item, as the device sent them.
struct BadItemHead {
    static constexpr std::size_t max_size = 64;

    std::array<char, max_size> bytes{};
    std::uint8_t size = 0;

    void assign(std::string_view text) noexcept { size = static_cast<std::uint8_t>(text.copy(bytes.data(), max_size)); }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

/// A bad item, as the history stores it.
struct BadItemFacts {
    BadItem kind{};
    std::uint64_t position = 0;  ///< bytes of the connection before its first byte
    std::uint64_t bytes = 0;     ///< its size, as far as it had arrived
    BadItemHead head = {};
    std::string detail = {};  ///< protocol that the bytes belong to, and the remedy, or empty
    EventTime at = {};
};

/// Reports an item that is not valid. A connection reports at most ten a second, and a reactor 500; `closed` counts
/// all. Views are valid during the call only.
struct BadItemEvent : BadItemFacts {
    ConnectionId conn = {};
    std::string_view listener = {};
    Endpoint peer = {};
    DeviceName device = {};
    std::uint64_t items = 0;  ///< of the connection before it
};

/// The bad items of one connection.
struct BadItems {
    std::array<std::uint64_t, bad_item_count> counts{};  ///< by BadItem
    BadItemFacts last = {};

    [[nodiscard]] std::uint64_t total() const noexcept {
        return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    }
};

/// How a connection ended, in its `closed` event and in the history.
struct ConnectionEnd {
    ConnectionId conn = {};
    Endpoint peer = {};
    CloseReason reason{};
    int error = 0;  ///< the underlying errno, or 0
    Evidence evidence = {};
    std::uint64_t items = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::chrono::milliseconds duration{};
    EventTime at = {};
    LivenessOf liveness = LivenessOf::device;
    std::shared_ptr<const BadItems> bad_items = {};  ///< null: none
    std::uint32_t code = 0;                          ///< of CloseOrder; 0: none
};

struct ClosedEvent : ConnectionEnd {
    std::string_view listener = {};
    std::string_view detail = {};  ///< an explaining sentence, or empty
    DeviceName device = {};
    std::string_view key = {};  ///< of its latest item; empty before the first
};

/// A closed connection in the history.
struct ClosedLife : ConnectionEnd {
    std::string listener = {};
    std::string detail = {};
    std::string key = {};
    std::string id = {};
    bool authenticated = false;  ///< a certificate or a token had proved `id`
    /// False: its gateway was lost, so that evidence, counts and the length of its life are unknown.
    bool observed = true;
};

/// A numbered item that was refused and counts as handled: it has no event, but its number is used up.
struct RefusedItem {
    ConnectionId conn = {};
    DeviceName device = {};
    std::uint64_t seq = 0;
};

/// The part of an EventHandler that acks need: its events outlive a crash. Called on the reactor's thread; must not
/// block.
class Durable {
public:
    virtual ~Durable() = default;

    /// Registers `notify`, which is called with `count` when the first `count` events of this handler are durable. An
    /// event is a call of on_connected, on_identified, on_item, on_closed or on_refused; other calls do not count. Any
    /// thread, growing. Called once, before the first event.
    virtual void on_durable_change(std::function<void(std::uint64_t count)> notify) = 0;

    /// Calls `answer` with the last durable number of that session, or 0 if none. The answer follows when everything is
    /// durable that a handler of the same sink received in earlier turns. Any thread.
    virtual void look_up(const DeviceName& device, std::function<void(std::uint64_t seq)> answer) = 0;
};

class ReactorContext;
class HelloDecision;
struct HelloEvent;

/// Receives the events of one reactor: connected, then items, then exactly one closed for each connection. Called on
/// that reactor's thread; must neither block nor throw. The server owns it and destroys it after the reactor's thread
/// has ended.
class EventHandler {
public:
    virtual ~EventHandler() = default;

    /// Passes the means to act on connections, before the first event. They live as long as this handler.
    virtual void on_start(ReactorContext&) {}
    virtual void on_connected(const ConnectedEvent& event) = 0;
    virtual void on_item(const ItemEvent& event) = 0;
    virtual void on_closed(const ClosedEvent& event) = 0;
    virtual void on_identified(const IdentifiedEvent&) {}
    /// Decides whether a device may come in, on a listener with `authenticate_by_program`; the decision may follow
    /// later, by a copy. See holdfast/hello.h. Without an override, every device is rejected.
    virtual void on_hello(const HelloEvent&, const HelloDecision&) {}
    virtual void on_refused(const RefusedItem&) {}
    virtual void on_bad_item(const BadItemEvent&) {}

    /// Ends a turn of calls: the place to pass a batch on.
    virtual void on_turn_end() {}

    /// Returns false to pause reading from devices, whose windows close. Called again every turn, and every few
    /// milliseconds while paused. No data is dropped.
    [[nodiscard]] virtual bool ready() { return true; }

    /// Returns nullptr if events do not outlive a crash; a listener with `acks` is an error then.
    [[nodiscard]] virtual Durable* durable() { return nullptr; }
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast

/// Hashes a connection's id, for unordered containers.
template <>
struct std::hash<holdfast::ConnectionId> {
    /// Mixes all bits (the finalizer of splitmix64): the lower bits of `number` are the slot, which many ids share.
    [[nodiscard]] std::size_t operator()(const holdfast::ConnectionId& id) const noexcept {
        std::uint64_t bits = id.number ^ (std::uint64_t{id.run} << 32);
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
        return static_cast<std::size_t>(bits ^ (bits >> 31));
    }
};
