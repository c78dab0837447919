#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <holdfast/events.h>
#include <holdfast/reason.h>
#include <holdfast/status.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Reports a mistake of the program at once, with the remedy. Examples are a blocking call on a reactor's thread, and a
/// ReactorContext on another thread.
class Misuse : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// How to close a connection.
struct CloseOrder {
    CloseReason reason = CloseReason::kicked;  ///< of kind policy; else the call throws Misuse
    std::uint32_t code = 0;                    ///< the program's own number, in the `closed` event
    std::string_view detail = {};              ///< sentence for the `closed` event; copied, at most max_detail bytes
    /// Sends queued bytes and FIN first, and reads what the peer sends until its FIN, for two seconds at most. A peer
    /// that accepts no bytes ends by its deadlines.
    bool flush = false;

    static constexpr std::size_t max_detail = 255;
};

class Server;

/// Names a timer of a ReactorContext.
enum class TimerId : std::uint64_t {};

/// Acts on the connections of one reactor, without waiting. EventHandler::on_start() gets it; it lives as long as the
/// handler. Its functions belong to the reactor's thread: a handler's functions, timers and posted work. On another
/// thread they throw Misuse, except find(), post() and send_many(). Connections of other reactors do not exist here.
class ReactorContext {
public:
    class Impl;
    /// Runs on the thread of the context's reactor. Must neither block nor throw.
    using Work = std::function<void(ReactorContext& context)>;

    explicit ReactorContext(std::unique_ptr<Impl> impl) noexcept;
    ReactorContext(const ReactorContext&) = delete;
    ReactorContext& operator=(const ReactorContext&) = delete;
    ~ReactorContext();

    /// Returns the server, also before Server::start() has returned, and until it is destroyed. Its blocking functions
    /// throw Misuse on a reactor's thread. Throws Misuse in a SimulatedGateway, which has none. Any thread.
    [[nodiscard]] Server& server() const;
    /// Returns the reactor's number, from 0.
    [[nodiscard]] unsigned reactor() const noexcept;

    /// Sends one JSON object, which the caller has validated, in the listener's framing.
    SendOutcome send(ConnectionId id, std::string_view json_object);
    /// Sends bytes as they are.
    SendOutcome send_bytes(ConnectionId id, std::string_view bytes);
    /// Closes the connection; its `closed` event follows at the end of the turn, and later bytes become no items. With
    /// CloseOrder::flush both follow after the flush. Returns false if it does not exist or is already closing.
    bool close(ConnectionId id, const CloseOrder& order = {});
    /// Probes the peer's kernel with a keep-alive probe, and calls `done` once, also if the connection ends. Returns
    /// false if the connection does not exist; `done` is not called then.
    bool probe(ConnectionId id, std::chrono::milliseconds timeout, std::function<void(const ProbeAnswer& answer)> done);

    /// Gives one connection its own detect_within, also against later changes of its listener's; nullopt: the
    /// listener's again. Its socket options and deadlines follow at once; a quiet peer is probed first, and earlier
    /// silence does not count. Returns false if the connection does not exist, or max_own_plans other values are in use
    /// on this reactor. Throws Misuse for a value that plan_liveness() rejects.
    bool set_detect_within(ConnectionId id, std::optional<std::chrono::milliseconds> detect_within);
    static constexpr std::size_t max_own_plans = 64;  ///< pairs of a listener and a detect_within of connections

    /// Runs `work` once after `delay`, at the earliest in the next turn. Timers that remain at the reactor's end never
    /// run.
    TimerId run_after(std::chrono::milliseconds delay, std::function<void()> work);
    /// Returns false if the timer has run or does not exist.
    bool cancel(TimerId timer);

    /// Stores a word of the program's with the connection, until its on_closed() has returned. Returns false if the
    /// connection does not exist. The first call allocates room for it: 16 bytes for each connection of the reactor.
    bool set_data(ConnectionId id, void* data);
    /// Returns the stored word, or nullptr.
    [[nodiscard]] void* data(ConnectionId id) const;

    /// Stops reading from the connection; its peer's window closes. Within its on_item(), no later item follows;
    /// in an array of a counted framing or of a codec, the other elements of the array do. No deadline ends it, and it
    /// costs no memory beyond the receive buffers. If the peer or the gateway ends it, what has arrived is delivered
    /// first. Returns false if it does not exist.
    bool hold(ConnectionId id);
    /// Reads from the connection again, at the end of the turn. Returns false if it does not exist.
    bool release(ConnectionId id);

    /// Returns the living connection of a device, on any reactor. Any thread.
    [[nodiscard]] std::optional<ConnectionId> find(std::string_view device) const;
    /// Runs `work` on the reactor that holds the connection. Never waits. Returns false if the id is of another run, or
    /// its reactor has ended. Any thread.
    bool post(ConnectionId id, Work work) const;
    /// Sends the same bytes to many connections of all reactors. Never waits, and skips connections that have ended or
    /// whose queue is full. Any thread.
    void send_many(std::span<const ConnectionId> ids, std::string_view bytes) const;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
