#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reactor_context.h>
#include <holdfast/result.h>
#include <holdfast/status.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

// Tests of an EventHandler without sockets and without waiting: one reactor of the gateway, on simulated connections
// and simulated time. The CMake target is holdfast::testing. docs/tasks/embed.md has an example. All classes belong to
// the thread that creates the gateway.

/// How a simulated device sees its connection.
enum class DeviceState : std::uint8_t {
    connecting,
    connected,
    closed,     ///< FIN from the gateway, or the device's own close
    reset,      ///< RST from the gateway, or the device's own reset
    timed_out,  ///< its kernel gave up
    refused,    ///< no connection came about
    vanished,
};
[[nodiscard]] std::string_view to_string(DeviceState state) noexcept;

/// A device with one connection. Unless a call changes that, its program reads at once, and closes after the gateway's
/// FIN. Its packets travel while time advances. The destructor removes the device without a packet, like vanish().
class SimulatedDevice {
public:
    class Impl;
    explicit SimulatedDevice(std::unique_ptr<Impl> impl) noexcept;
    SimulatedDevice(SimulatedDevice&&) noexcept;
    SimulatedDevice& operator=(SimulatedDevice&&) noexcept;
    ~SimulatedDevice();

    /// Sends bytes as they are.
    void send(std::string_view bytes);
    /// Takes its power away: no packet arrives or leaves any more.
    void vanish();
    /// Lets its program hang: its kernel answers, but nothing is read. read() ends that.
    void stall();
    /// Reads at most so many bytes per second, in steps of 100 ms.
    void slow(std::size_t bytes_per_second);
    /// Reads all at once again.
    void read();
    /// Sleeps for this time: its kernel answers nothing, then continues.
    void sleep(std::chrono::milliseconds time);
    /// Sends FIN, and reads on until the gateway's FIN.
    void half_close();
    /// Closes after the bytes sent so far.
    void close();
    /// Sends RST. Bytes on their way to the device are lost.
    void reset();

    [[nodiscard]] DeviceState state() const;
    [[nodiscard]] Endpoint endpoint() const;
    /// Returns the bytes that its program has read and answers() has not returned.
    [[nodiscard]] std::string_view received() const;
    /// Returns the complete lines that its program has read since the last call, without line ends.
    [[nodiscard]] std::vector<std::string> answers();

private:
    std::unique_ptr<Impl> impl_;
};

/// The network between the devices and the gateway. Each function applies to the devices of `where`, connected now or
/// later, until another call or heal(). At first, packets take a millisecond each way, and none is lost.
class SimulatedNetwork {
public:
    class Impl;
    explicit SimulatedNetwork(std::unique_ptr<Impl> impl) noexcept;
    ~SimulatedNetwork();

    static constexpr Prefix everywhere{};

    /// Drops all packets.
    void partition(const Prefix& where = everywhere);
    /// Drops all packets, and answers data of the gateway with ICMP "host unreachable" (RFC 1122, 4.2.3.9).
    void unreachable(const Prefix& where = everywhere);
    /// Ends partition() and unreachable().
    void heal(const Prefix& where = everywhere);
    /// Delays packets by this time each way, from 0 to 1 min.
    void delay(std::chrono::milliseconds one_way, const Prefix& where = everywhere);
    /// Loses each packet with this probability, from 0 to 1.
    void loss(double probability, const Prefix& where = everywhere);
    /// Puts a NAT in front of the devices, which forgets connections that are silent for longer; 0: none. Later packets
    /// of the gateway are lost, and those of the device are answered with RST.
    void nat_timeout(std::chrono::milliseconds silence, const Prefix& where = everywhere);

private:
    std::unique_ptr<Impl> impl_;
};

/// A gateway with one reactor on simulated time. The code is that of Server: shard, pipeline and handler. Addresses of
/// listeners are not bound. There is at most one at a time on a thread.
class SimulatedGateway {
public:
    /// Checks the configuration, reads its files and starts `handler` on the calling thread. `seed` decides which
    /// packets are lost: the same calls give the same events.
    [[nodiscard]] static Result<std::unique_ptr<SimulatedGateway>> start(const ServerConfig& config,
                                                                         std::unique_ptr<EventHandler> handler,
                                                                         std::uint64_t seed = 1);
    SimulatedGateway(const SimulatedGateway&) = delete;
    SimulatedGateway& operator=(const SimulatedGateway&) = delete;
    /// Stops at once: connections get their `closed` events.
    ~SimulatedGateway();

    /// Connects a device to a listener; an empty name means the first one. Each gets an address of its own in
    /// 198.18.0.0/15 if `from` is not given. Throws Misuse if the listener does not exist.
    [[nodiscard]] SimulatedDevice connect(std::string_view listener = {}, std::optional<Endpoint> from = std::nullopt);
    [[nodiscard]] SimulatedNetwork& network();

    /// Runs the gateway, the network and the devices for this time.
    void advance(std::chrono::milliseconds time);
    /// Advances until `condition` holds after a turn of the reactor, or for `limit`. Returns whether it held.
    bool advance_until(const std::function<bool()>& condition, std::chrono::milliseconds limit);
    /// Stops the gateway's process for this time, while network and devices go on.
    void pause(std::chrono::milliseconds time);
    /// Returns the time since the start.
    [[nodiscard]] std::chrono::milliseconds now() const;

    /// Returns the handler's context. Its functions may be called between calls of advance().
    [[nodiscard]] ReactorContext& context();
    /// Returns the ends so far, the latest first; as many as `closed_history`.
    [[nodiscard]] std::vector<ClosedLife> closed() const;
    /// Returns the number of connections that the gateway holds.
    [[nodiscard]] std::size_t connections() const;
    /// Lowers the buffer budget to the memory held now: Server::memory_exhausted().
    void exhaust_memory();
    /// Stops gracefully within `drain_time`: advance() then delivers what has arrived, and closes all connections.
    void drain();

    class Impl;

private:
    explicit SimulatedGateway(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
