// The floor: the cost of the necessary work alone. Edge-triggered epoll, one thread, one shared buffer, newline
// framing, simdjson on demand to read `ip`; no registry, no events, no deadlines. Keep-alive options are set on the
// listener. Not a server for real use: a bad item ends its connection, and so does an incomplete line that exceeds
// its buffer.
//
//   floor PORT     prints "listening PORT" (0: the kernel chooses), and on SIGUSR1 "accepted=A closed=C items=I bad=B".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <simdjson.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace {

constexpr std::size_t landing_bytes = 64 * 1024;
constexpr std::size_t max_kept = 64 * 1024;
constexpr int listener_token = -1;
constexpr int signal_token = -2;

struct Kept {
    std::size_t size;
    char bytes[];
};

struct Counts {
    std::uint64_t accepted = 0;
    std::uint64_t closed = 0;
    std::uint64_t items = 0;
    std::uint64_t bad = 0;
    std::uint64_t key_bytes = 0;
};

class Floor {
public:
    explicit Floor(std::uint16_t port);
    [[noreturn]] void run();

private:
    void accept_all();
    void read(int fd, bool ending);
    bool take(int fd, std::size_t arrived);
    bool take_line(char* line, std::size_t size);
    void close(int fd);
    void watch(int fd, std::uint32_t events, int token);
    void report();

    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    int listener_ = -1;
    int signals_ = -1;
    std::unique_ptr<char[]> memory_{new char[max_kept + landing_bytes + simdjson::SIMDJSON_PADDING]};
    char* landing_ = memory_.get() + max_kept;
    std::vector<Kept*> kept_;  // incomplete line by descriptor
    simdjson::ondemand::parser parser_;
    Counts counts_;
};

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(2);
}

void set(int fd, int level, int option, int value) {
    if (::setsockopt(fd, level, option, &value, sizeof value) != 0) die("setsockopt");
}

Floor::Floor(std::uint16_t port) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    set(listener_, SOL_SOCKET, SO_REUSEADDR, 1);
    set(listener_, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(listener_, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(listener_, IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set(listener_, IPPROTO_TCP, TCP_KEEPCNT, 5);
    set(listener_, IPPROTO_TCP, TCP_USER_TIMEOUT, 19'000);
    set(listener_, IPPROTO_TCP, TCP_NODELAY, 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (::listen(listener_, 4096) != 0) die("listen");
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &usr1, nullptr);
    signals_ = ::signalfd(-1, &usr1, SFD_NONBLOCK | SFD_CLOEXEC);
    watch(listener_, EPOLLIN, listener_token);
    watch(signals_, EPOLLIN, signal_token);
    std::printf("listening %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
}

void Floor::watch(int fd, std::uint32_t events, int token) {
    epoll_event event{};
    event.events = events;
    event.data.fd = token;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void Floor::run() {
    epoll_event ready[512];
    while (true) {
        const int count = ::epoll_wait(epoll_, ready, 512, -1);
        for (int i = 0; i < count; ++i) {
            const int token = ready[i].data.fd;
            if (token >= 0) {
                read(token, (ready[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
            } else if (token == listener_token) {
                accept_all();
            } else {
                report();
            }
        }
    }
}

void Floor::accept_all() {
    for (int i = 0; i < 256; ++i) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        ++counts_.accepted;
        if (kept_.size() <= static_cast<std::size_t>(fd)) kept_.resize(2 * static_cast<std::size_t>(fd));
        watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, fd);
    }
}

/// Calls recv once for an event. Repeats it only if it filled the buffer, or if the peer's end came with the same
/// event.
void Floor::read(int fd, bool ending) {
    while (true) {
        const ssize_t arrived = ::recv(fd, landing_, landing_bytes, 0);
        if (arrived <= 0) {
            if (arrived == 0 || errno != EAGAIN) close(fd);
            return;
        }
        if (!take(fd, static_cast<std::size_t>(arrived))) return close(fd);
        if (static_cast<std::size_t>(arrived) < landing_bytes && !ending) return;
    }
}

bool Floor::take(int fd, std::size_t arrived) {
    Kept*& kept = kept_[static_cast<std::size_t>(fd)];
    char* line = landing_;
    char* const end = landing_ + arrived;
    if (kept != nullptr) {
        line -= kept->size;
        std::memcpy(line, kept->bytes, kept->size);
        std::free(kept);
        kept = nullptr;
    }
    while (char* stop = static_cast<char*>(std::memchr(line, '\n', static_cast<std::size_t>(end - line)))) {
        if (!take_line(line, static_cast<std::size_t>(stop - line))) return false;
        line = stop + 1;
    }
    if (line == end) return true;
    const auto left = static_cast<std::size_t>(end - line);
    if (left > max_kept) return false;
    kept = static_cast<Kept*>(std::malloc(sizeof(Kept) + left));
    kept->size = left;
    std::memcpy(kept->bytes, line, left);
    return true;
}

bool Floor::take_line(char* line, std::size_t size) {
    simdjson::ondemand::document document;
    std::string_view key;
    if (parser_.iterate(line, size, size + simdjson::SIMDJSON_PADDING).get(document) != simdjson::SUCCESS ||
        document["ip"].get_string().get(key) != simdjson::SUCCESS) {
        ++counts_.bad;
        return false;
    }
    counts_.key_bytes += key.size();  // keeps the compiler from omitting the key
    ++counts_.items;
    return true;
}

void Floor::close(int fd) {
    Kept*& kept = kept_[static_cast<std::size_t>(fd)];
    std::free(kept);
    kept = nullptr;
    ::close(fd);
    ++counts_.closed;
}

void Floor::report() {
    signalfd_siginfo taken;
    while (::read(signals_, &taken, sizeof taken) > 0) {
    }
    std::printf("accepted=%llu closed=%llu items=%llu bad=%llu key_bytes=%llu\n",
                static_cast<unsigned long long>(counts_.accepted), static_cast<unsigned long long>(counts_.closed),
                static_cast<unsigned long long>(counts_.items), static_cast<unsigned long long>(counts_.bad),
                static_cast<unsigned long long>(counts_.key_bytes));
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    Floor floor(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    floor.run();
}
