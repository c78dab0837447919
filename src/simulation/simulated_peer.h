#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>

#include "simulation/simulated_tcp.h"

namespace holdfast {

/// How a device sees its connection.
enum class LinkState : std::uint8_t {
    connecting,
    connected,
    closed,     ///< FIN from the gateway, or by the device's own close
    reset,      ///< RST from the gateway
    timed_out,  ///< its own kernel gave up
    refused,    ///< no connection came about
    vanished,
};

/// A device's program and host, which uses one simulated connection. Owned by its user; at most as old as the
/// SimulatedTcp. One thread.
class SimulatedPeer final : public PeerProgram {
public:
    SimulatedPeer(SimulatedTcp& tcp, int listener, const Endpoint& from);
    SimulatedPeer(const SimulatedPeer&) = delete;
    SimulatedPeer& operator=(const SimulatedPeer&) = delete;
    ~SimulatedPeer() override;

    void send(std::string_view bytes);
    void half_close();
    void close();
    void reset();
    void vanish();
    /// Lets the host answer nothing for this time, while its program stands still.
    void sleep(std::chrono::nanoseconds time);
    /// Lets the program read so many bytes per second from now on; 0: none, nullopt: all at once.
    void read_at(std::optional<std::size_t> bytes_per_second);

    [[nodiscard]] LinkState state() const { return state_; }
    [[nodiscard]] bool is_asleep() const { return sleeps_; }
    [[nodiscard]] const Endpoint& endpoint() const { return from_; }
    [[nodiscard]] const std::string& received() const { return received_; }
    void forget(std::size_t bytes) { received_.erase(0, bytes); }
    [[nodiscard]] SimulatedTcp::Link* link() { return link_; }

    void on_established() override;
    void on_refused() override;
    void on_ready(std::uint32_t events) override;
    void on_gone() override { link_ = nullptr; }

private:
    [[nodiscard]] bool may_run() const { return link_ != nullptr && state_ == LinkState::connected && !sleeps_; }
    void flush();
    void read();
    void read_slowly();
    void end(LinkState state);

    SimulatedTcp& tcp_;
    const Endpoint from_;
    SimulatedTcp::Link* link_ = nullptr;
    LinkState state_ = LinkState::connecting;
    std::string outbox_;  // what the program has not been able to write
    bool finishes_ = false;
    bool closes_ = false;
    bool sleeps_ = false;
    std::uint64_t naps_ = 0;
    std::optional<std::size_t> rate_;
    bool reads_slowly_ = false;  // a timer is set
    std::string received_;
    std::shared_ptr<SimulatedPeer*> self_;  // null once the object is gone: for timers
};

}  // namespace holdfast
