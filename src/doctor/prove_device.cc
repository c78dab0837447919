#include "doctor/prove_device.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"

namespace holdfast {

template <typename Note>
void LifeRecorder::note(const Endpoint& peer, const Note& change) {
    const std::lock_guard lock(mutex_);
    change(lives_[peer]);
    news_.notify_all();
}

class LifeRecorder::Handler : public EventHandler {
public:
    explicit Handler(LifeRecorder& recorder) : recorder_(recorder) {}

    void on_connected(const ConnectedEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) { life.conn = event.conn; });
    }
    void on_item(const ItemEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) { life.items = event.n; });
    }
    void on_closed(const ClosedEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) {
            life.closed_at = clock_.steady();
            life.reason = event.reason;
        });
    }

private:
    LifeRecorder& recorder_;
    const SystemClock clock_;
};

std::unique_ptr<EventHandler> LifeRecorder::make_handler() { return std::make_unique<Handler>(*this); }

RecordedLives LifeRecorder::lives() const {
    const std::lock_guard lock(mutex_);
    return lives_;
}

bool LifeRecorder::wait_until(SteadyTime deadline, const std::function<bool(const RecordedLives&)>& enough) const {
    std::unique_lock lock(mutex_);
    return news_.wait_until(lock, deadline, [&] { return enough(lives_); });
}

namespace {

constexpr int smallest_buffer = 4'096;
constexpr timeval connect_timeout{5, 0};
constexpr std::chrono::seconds acknowledged_within{1};
constexpr int highest_ttl = 255;

bool is_acknowledged(int fd) {
    int waiting = 0;
    return ::ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

/// Makes TCP drop segments that arrive with a smaller TTL: IP_MINTTL of ip(7). Unlike a socket filter, every kernel
/// grants that to an ordinary user. Returns false if the peer, on the same host, sends with `ttl` itself.
bool demand_ttl(int fd, int ttl) {
    int sent = 0;
    socklen_t length = sizeof sent;
    return ::getsockopt(fd, IPPROTO_IP, IP_TTL, &sent, &length) == 0 && sent != ttl &&
           ::setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof ttl) == 0;
}

Error cannot(const char* what, const Endpoint& to) {
    return Error{std::string("a simulated device cannot ") + what + " " + to_string(to) + ": " + std::strerror(errno)};
}

}  // namespace

Result<ProveDevice> ProveDevice::connect(const Options& options) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return cannot("make a socket for", options.to);
    // Before connecting: the buffer decides the offered window.
    if (options.small_window) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &smallest_buffer, sizeof smallest_buffer);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &connect_timeout, sizeof connect_timeout);
    const SocketAddress from = to_socket_address({options.from, 0});
    const SocketAddress to = to_socket_address(options.to);
    if (::bind(fd.get(), from.get(), from.length) != 0) return cannot("get an address towards", options.to);
    if (::connect(fd.get(), to.get(), to.length) != 0) return cannot("connect to", options.to);
    const auto name = local_endpoint(fd.get());
    if (!name) return name.error();
    return ProveDevice(std::move(fd), name.value());
}

bool ProveDevice::speak() const noexcept {
    return ::send(fd_.get(), item_.data(), item_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(item_.size());
}

void ProveDevice::reset() noexcept {
    discard_on_close(fd_.get());
    fd_.reset();
}

bool ProveDevice::vanish() const noexcept {
    if (!speak()) return false;
    const SystemClock clock;
    // Otherwise the device's kernel would retransmit the item, which is a sign of life.
    for (const SteadyTime until = clock.steady() + acknowledged_within; !is_acknowledged(fd_.get());) {
        if (clock.steady() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return demand_ttl(fd_.get(), highest_ttl);
}

bool ProveDevice::reappear() const noexcept { return demand_ttl(fd_.get(), 0); }

}  // namespace holdfast
