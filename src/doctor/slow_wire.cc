#include "doctor/slow_wire.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/start_thread.h"

namespace holdfast {
namespace {

constexpr int frames_a_turn = 256;
constexpr std::size_t largest_frame = 65'535;

Error cannot(const char* call, const char* interface) {
    return Error{std::string("cannot delay packets: ") + call + " on " + interface + ": " + std::strerror(errno) +
                 "; run as root, or with CAP_NET_RAW in the namespace"};
}

/// Holds the frames of one direction in order of arrival, with their due times.
class Lane {
public:
    Lane(int from, int to) : from_(from), to_(to) {}

    void receive(SteadyTime now, std::chrono::milliseconds delay) {
        std::array<char, largest_frame> frame;
        for (int i = 0; i < frames_a_turn; ++i) {
            sockaddr_ll sender{};
            socklen_t length = sizeof sender;
            const ssize_t size = ::recvfrom(from_, frame.data(), frame.size(), MSG_DONTWAIT,
                                            reinterpret_cast<sockaddr*>(&sender), &length);
            if (size <= 0) return;
            if (sender.sll_pkttype == PACKET_OUTGOING) continue;
            // A later frame never overtakes an earlier one.
            const SteadyTime due = frames_.empty() ? now + delay : std::max(now + delay, frames_.back().due);
            frames_.push_back({due, {frame.data(), frame.data() + size}});
        }
    }
    void forward(SteadyTime now) {
        for (; !frames_.empty() && frames_.front().due <= now; frames_.pop_front()) {
            const std::vector<char>& bytes = frames_.front().bytes;
            // A frame that the kernel rejects is lost, as on any wire.
            static_cast<void>(::send(to_, bytes.data(), bytes.size(), MSG_DONTWAIT));
        }
    }
    [[nodiscard]] std::optional<SteadyTime> next_due() const {
        return frames_.empty() ? std::nullopt : std::optional(frames_.front().due);
    }

private:
    struct Frame {
        SteadyTime due;
        std::vector<char> bytes;
    };

    int from_;
    int to_;
    std::deque<Frame> frames_;
};

/// Returns the milliseconds until the next due frame for poll(2).
int wait_ms(const std::array<Lane, 2>& lanes, SteadyTime now) {
    int wait = -1;
    for (const Lane& lane : lanes) {
        const auto due = lane.next_due();
        if (!due) continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(*due - now, SteadyTime::duration(0)));
        wait = wait < 0 ? static_cast<int>(left.count()) : std::min(wait, static_cast<int>(left.count()));
    }
    return wait;
}

}  // namespace

Result<UniqueFd> SlowWire::open_end(const char* interface) {
    UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
    if (!fd.valid()) return cannot("socket(AF_PACKET)", interface);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    if (address.sll_ifindex == 0) return cannot("if_nametoindex", interface);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return cannot("bind(AF_PACKET)", interface);
    }
    return fd;
}

Result<std::unique_ptr<SlowWire>> SlowWire::start(UniqueFd left, UniqueFd right) {
    UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop.valid()) return Error{std::string("cannot delay packets: eventfd: ") + std::strerror(errno)};
    return std::unique_ptr<SlowWire>(new SlowWire(std::move(left), std::move(right), std::move(stop)));
}

SlowWire::SlowWire(UniqueFd left, UniqueFd right, UniqueFd stop)
    : left_(std::move(left)), right_(std::move(right)), stop_(std::move(stop)) {
    thread_ = start_thread("slow-wire", [this] { carry(); });
}

SlowWire::~SlowWire() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

void SlowWire::carry() {
    const SystemClock clock;
    std::array<Lane, 2> lanes{Lane(left_.get(), right_.get()), Lane(right_.get(), left_.get())};
    std::array<pollfd, 3> ready{{{left_.get(), POLLIN, 0}, {right_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    for (;;) {
        if (::poll(ready.data(), ready.size(), wait_ms(lanes, clock.steady())) < 0 && errno != EINTR) return;
        if (ready[2].revents != 0) return;
        const std::chrono::milliseconds delay(delay_ms_.load());
        for (Lane& lane : lanes) {
            const SteadyTime now = clock.steady();
            lane.receive(now, delay);
            lane.forward(now);
        }
    }
}

std::string compute_checksums(const char* interface) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_value off{.cmd = ETHTOOL_STXCSUM, .data = 0};
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&off);
    if (fd.valid() && ::ioctl(fd.get(), SIOCETHTOOL, &request) == 0) return {};
    return cannot("ioctl(ETHTOOL_STXCSUM)", interface).message;
}

}  // namespace holdfast
