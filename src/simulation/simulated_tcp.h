#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <holdfast/endpoint.h>

#include "simulation/simulated_clock.h"
#include "simulation/tcp_end.h"

namespace holdfast {

/// The path between one peer and the gateway. Both directions are alike.
struct SimulatedPath {
    std::chrono::nanoseconds delay{};  ///< one way
    double loss = 0;                   ///< probability that a packet is lost
    bool blocked = false;
    int error = 0;                           ///< errno of the ICMP message that answers data; 0: none
    std::chrono::nanoseconds nat_timeout{};  ///< silence after which a NAT forgets a connection; 0: none

    friend bool operator==(const SimulatedPath&, const SimulatedPath&) = default;
};

/// The program on a simulated device, which uses the device's end of one connection.
class PeerProgram {
public:
    virtual ~PeerProgram() = default;
    virtual void on_established() = 0;
    virtual void on_refused() = 0;
    virtual void on_ready(std::uint32_t events) = 0;  ///< flags of epoll_ctl(2)
    virtual void on_gone() = 0;                       ///< its end of the connection exists no longer
};

class SimulatedTcp;
struct SimulatedLink;

/// The wire of one end of a link.
class LinkSide final : public TcpWire {
public:
    LinkSide(SimulatedTcp& tcp, SimulatedLink& link, bool is_gateway)
        : tcp_(tcp), link_(link), is_gateway_(is_gateway) {}

    [[nodiscard]] SteadyTime now() const override;
    void transmit(Segment segment) override;
    void arm(TcpTimer timer, SteadyTime when) override;
    void notify(std::uint32_t events) override;
    [[nodiscard]] bool is_calm(std::chrono::nanoseconds idle) const override;
    [[nodiscard]] Calm draw_calm() override;
    void note_packet(SteadyTime when) override;

private:
    SimulatedTcp& tcp_;
    SimulatedLink& link_;
    const bool is_gateway_;
};

/// A simulated connection, from the SYN to the end of both sides. Owned by SimulatedTcp, in a slot that is used again.
struct SimulatedLink {
    SimulatedLink(SimulatedTcp& tcp, std::uint32_t place, std::uint32_t use)
        : gateway_side(tcp, *this, true), device_side(tcp, *this, false), slot(place), generation(use) {}

    LinkSide gateway_side;
    LinkSide device_side;
    TcpEnd gateway{gateway_side};
    TcpEnd device{device_side};
    const std::uint32_t slot;
    const std::uint32_t generation;
    int listener = -1;
    Endpoint peer = {};
    PeerProgram* program = nullptr;  ///< null: the device no longer uses its end
    SimulatedPath path = {};
    std::deque<Segment> up = {};    ///< in flight to the gateway
    std::deque<Segment> down = {};  ///< in flight to the device
    SteadyTime up_until = {};       ///< arrival of the last one
    SteadyTime down_until = {};
    SteadyTime last_packet = {};
    int syns = 0;
    bool is_open = false;       ///< the gateway's kernel has it
    bool is_up = true;          ///< the device's host runs
    bool is_forgotten = false;  ///< by the NAT
    bool is_accepted = false;   ///< and not closed by the gateway
    bool discards = false;      ///< SO_LINGER with time 0
    // epoll(7) of the gateway
    bool is_watched = false;
    bool is_queued = false;
    std::uint32_t watched = 0;
    std::uint32_t edges = 0;
    std::uint64_t token = 0;
};

/// Simulates the gateway's sockets, the devices' kernels and the network on simulated time. Replaces the system calls
/// of base/kernel.h on its thread until retire() (kernel_calls.cc); at most one per thread does. One thread.
class SimulatedTcp {
public:
    using Link = SimulatedLink;

    SimulatedTcp(SimulatedClock& clock, std::uint64_t seed);
    SimulatedTcp(const SimulatedTcp&) = delete;
    SimulatedTcp& operator=(const SimulatedTcp&) = delete;
    ~SimulatedTcp();

    struct Listening {
        Endpoint address = {};
        TcpOptions options = {};
        std::deque<std::uint32_t> backlog = {};  ///< slots
        bool is_open = true;
        bool is_watched = false;
        std::uint64_t token = 0;
        int accept_error = 0;
    };

    // The gateway's host.
    [[nodiscard]] int listen(const Endpoint& address = {});
    /// Refuses connections from now on, and resets those that were not accepted.
    void close_listener(int fd);
    [[nodiscard]] Listening* find_listener(int fd);
    [[nodiscard]] Link* find_link(int fd);
    /// Returns a descriptor, or -1 with errno.
    [[nodiscard]] int accept(Listening& listener, Endpoint& peer);
    void watch(Link& link, int operation, const epoll_event* event);
    void close_link(Link& link);
    [[nodiscard]] int collect(std::span<epoll_event> events);
    /// Sets whether epoll_wait(2) also queries the kernel, which costs a system call: for the reactor's mailbox.
    void ask_kernel(bool on) { asks_kernel_ = on; }
    [[nodiscard]] bool asks_kernel() const { return asks_kernel_; }
    /// Returns the number of descriptors that were accepted and not closed.
    [[nodiscard]] std::size_t accepted_sockets() const { return accepted_; }
    /// Returns true if collect() would return events.
    [[nodiscard]] bool has_events() const;

    /// Ends the gateway's process, or starts the next one. Without one, its calls about sockets change nothing, and its
    /// sockets stay as they are: a keeper holds them.
    void set_process(bool runs);
    [[nodiscard]] bool has_process() const { return has_process_; }
    /// Returns the descriptors that were accepted and not closed.
    [[nodiscard]] std::vector<int> accepted_descriptors() const;

    /// Takes the power of the gateway's host away, or gives it back. Its connections are gone then, and no packet of
    /// theirs is answered until the power is back.
    void set_power(bool on);

    // Devices and the network.
    [[nodiscard]] Link& connect(int listener, const Endpoint& peer, PeerProgram& program);
    void set_path(Link& link, const SimulatedPath& path);
    void set_path_rule(std::function<SimulatedPath(const Endpoint&)> rule);  ///< for each connection, now and later
    void apply_path_rule();                                                  ///< after a change of what it returns
    void set_up(Link& link, bool up);  ///< false: the device's host sleeps or is gone
    void leave(Link& link);            ///< the program no longer uses its end

    // Time.
    void call_at(SteadyTime when, std::function<void()> work);
    [[nodiscard]] SteadyTime next_event() const { return events_.empty() ? SteadyTime::max() : events_.top().when; }
    /// Runs the events up to `time`, and advances the clock to it.
    void run_until(SteadyTime time);
    [[nodiscard]] double draw() { return std::uniform_real_distribution<>(0, 1)(dice_); }  ///< from 0 to 1
    [[nodiscard]] bool chance(double probability) { return draw() < probability; }

    [[nodiscard]] SteadyTime now() const { return clock_.steady(); }

    // Calls of the sides of a link.
    void transmit(Link& link, bool from_gateway, Segment segment);
    void arm(Link& link, bool of_gateway, TcpTimer timer, SteadyTime when);
    void notify(Link& link, bool to_gateway, std::uint32_t events);

    /// Returns the one whose sockets this thread's calls of base/kernel.h find, or nullptr.
    [[nodiscard]] static SimulatedTcp* current() { return current_; }
    /// Becomes that one again after retire().
    void take_calls() { current_ = this; }
    /// Ends that.
    void retire() {
        if (current_ == this) current_ = nullptr;
    }

private:
    enum class Kind : std::uint8_t {
        gateway_retransmit,
        gateway_keepalive,
        device_retransmit,
        device_keepalive,
        up,
        down,
        syn,
        open,
        call
    };
    struct Event {
        SteadyTime when;
        std::uint64_t order;
        std::uint32_t slot;
        std::uint32_t generation;
        Kind kind;

        [[nodiscard]] bool operator<(const Event& other) const {
            return when != other.when ? when > other.when : order > other.order;
        }
    };

    void schedule(SteadyTime when, const Link& link, Kind kind);
    void run(const Event& event);
    void run_timer(Link& link, Kind kind, SteadyTime when);
    void arrive(Link& link, bool up);
    void send_syn(Link& link);
    void open(Link& link);
    void queue(Link& link, std::uint32_t events);
    void note_if_over(const Link& link);
    void free_over();
    [[nodiscard]] bool passes(Link& link, bool up, const Segment& segment);

    static inline thread_local SimulatedTcp* current_ = nullptr;
    static constexpr int first_fd = 1 << 16;
    static constexpr int max_listeners = 256;

    SimulatedClock& clock_;
    std::mt19937_64 dice_;
    std::vector<Listening> listeners_;
    std::vector<std::unique_ptr<Link>> links_;  // by slot
    std::vector<std::uint32_t> free_;
    std::deque<std::uint32_t> ready_;  // slots
    std::priority_queue<Event> events_;
    std::uint64_t order_ = 0;
    std::size_t accepted_ = 0;
    bool asks_kernel_ = true;
    bool has_power_ = true;
    bool has_process_ = true;
    std::unordered_map<std::uint64_t, std::function<void()>> calls_;  // by order
    std::function<SimulatedPath(const Endpoint&)> rule_;
    std::vector<std::uint32_t> over_;  // slots that free_over() frees, if they are over
};

}  // namespace holdfast
