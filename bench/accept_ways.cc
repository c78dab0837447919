// Measures the cost of a burst of accepts by accept4 and by io_uring: docs/decisions/0007. 4,000 loopback connections
// are queued and then accepted in one way. As in the gateway, each is accepted with its peer's address and watched by
// edge-triggered epoll. Prints the CPU time of the accepts. script/bench builds it if liburing-dev is installed.
//
//   accept_ways WAY, where WAY is:
//
//   accept4        accept4
//   multishot      address by getpeername
//   batch          256 accepts in one submission, each with its address
//   batch_watch    as batch, with 256 EPOLL_CTL_ADD in a second submission
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>

namespace {

constexpr int connections = 4'000;
constexpr unsigned batch = 256;
constexpr unsigned dont_wait = 1U << 1;  // IORING_ACCEPT_DONTWAIT, Linux 6.10; not in Debian 12's liburing

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Taker {
public:
    Taker(int listener, bool with_ring) : listener_(listener) {
        if (with_ring &&
            io_uring_queue_init(1'024, &ring_, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) != 0)
            die("io_uring_queue_init");
    }
    void accept4_all();
    void multishot();
    void batches(bool watch_by_ring);
    [[nodiscard]] int taken() const { return taken_; }

private:
    static epoll_event interest(int fd) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
        event.data.fd = fd;
        return event;
    }
    void watch(int fd) {
        epoll_event event = interest(fd);
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
        ++taken_;
    }
    template <typename Each>
    void completions(Each each) {
        io_uring_cqe* entry = nullptr;
        unsigned head = 0;
        unsigned count = 0;
        io_uring_for_each_cqe(&ring_, head, entry) {
            ++count;
            each(*entry);
        }
        io_uring_cq_advance(&ring_, count);
    }

    int listener_;
    int epoll_ = ::epoll_create1(0);
    io_uring ring_{};
    int taken_ = 0;
    std::array<sockaddr_storage, batch> peers_{};
    std::array<socklen_t, batch> lengths_{};
    std::array<epoll_event, batch> interests_{};
};

void Taker::accept4_all() {
    while (true) {
        socklen_t length = sizeof(sockaddr_storage);
        const int fd =
            ::accept4(listener_, reinterpret_cast<sockaddr*>(peers_.data()), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        watch(fd);
    }
}

void Taker::multishot() {
    bool armed = false;
    while (taken_ < connections) {
        if (!armed) {
            io_uring_prep_multishot_accept(io_uring_get_sqe(&ring_), listener_, nullptr, nullptr,
                                           SOCK_NONBLOCK | SOCK_CLOEXEC);
        }
        armed = true;
        io_uring_submit_and_wait(&ring_, 1);
        completions([&](const io_uring_cqe& entry) {
            armed = armed && (entry.flags & IORING_CQE_F_MORE) != 0;
            if (entry.res < 0) return;
            socklen_t length = sizeof(sockaddr_storage);
            ::getpeername(entry.res, reinterpret_cast<sockaddr*>(peers_.data()), &length);
            watch(entry.res);
        });
    }
}

void Taker::batches(bool watch_by_ring) {
    while (taken_ < connections) {
        for (unsigned i = 0; i < batch; ++i) {
            lengths_[i] = sizeof(sockaddr_storage);
            io_uring_sqe* entry = io_uring_get_sqe(&ring_);
            io_uring_prep_accept(entry, listener_, reinterpret_cast<sockaddr*>(&peers_[i]), &lengths_[i],
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
            entry->ioprio |= dont_wait;
        }
        io_uring_submit(&ring_);
        io_uring_get_events(&ring_);
        unsigned queued = 0;
        completions([&](const io_uring_cqe& entry) {
            if (entry.res < 0) return;
            if (!watch_by_ring) return watch(entry.res);
            interests_[queued] = interest(entry.res);
            io_uring_prep_epoll_ctl(io_uring_get_sqe(&ring_), epoll_, entry.res, EPOLL_CTL_ADD, &interests_[queued]);
            ++queued;
        });
        if (queued == 0) continue;
        io_uring_submit(&ring_);
        io_uring_get_events(&ring_);
        completions([&](const io_uring_cqe& entry) { taken_ += entry.res == 0 ? 1 : 0; });
    }
}

int listen_on_loopback(sockaddr_in& address) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 4'096) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        die("listen");
    return listener;
}

/// Connects all devices, reports that, and holds the connections until its input ends.
[[noreturn]] void be_the_devices(const sockaddr_in& address, int say, int until) {
    for (int i = 0; i < connections; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("connect");
    }
    char byte = 0;
    if (::write(say, &byte, 1) != 1 || ::read(until, &byte, 1) < 0) std::_Exit(1);
    std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view way = argc > 1 ? argv[1] : "accept4";
    sockaddr_in address{};
    const int listener = listen_on_loopback(address);
    int connected[2];
    int finished[2];
    if (::pipe(connected) != 0 || ::pipe(finished) != 0) die("pipe");
    const pid_t devices = ::fork();
    if (devices == 0) {
        ::close(finished[1]);
        be_the_devices(address, connected[1], finished[0]);
    }
    char byte = 0;
    if (::read(connected[0], &byte, 1) != 1) die("the devices");
    Taker taker(listener, way != "accept4");
    const double before = cpu_seconds();
    if (way == "accept4") taker.accept4_all();
    if (way == "multishot") taker.multishot();
    if (way == "batch") taker.batches(false);
    if (way == "batch_watch") taker.batches(true);
    const double used = cpu_seconds() - before;
    std::printf("%-12s %d accepted, %.2f us each\n", argv[1] != nullptr ? argv[1] : "accept4", taker.taken(),
                used / std::max(taker.taken(), 1) * 1e6);
    ::close(finished[1]);
    ::waitpid(devices, nullptr, 0);
}
