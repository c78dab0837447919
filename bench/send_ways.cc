// Compares the ways in which an embedding program sends to its devices, as ratios within each round of one process. The
// devices are 64 loopback connections that read everything.
//
//   send       Server::send(), from one thread: waits for the reactor each time
//   post       Server::post() with ReactorContext::send_bytes() in it, from one thread
//   send_many  Server::send_many() to all 64, from one thread
//   handler    each device sends an item, and the handler answers in on_item()
//   thread     the same, but another thread answers by Server::send()
//
// Build: cmake --build build/release --target send_ways; run: build/release/send_ways [ROUNDS]
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/server.h>

namespace {

using Clock = std::chrono::steady_clock;
using holdfast::ConnectionId;

constexpr std::size_t devices = 64;
constexpr unsigned long usual_rounds = 9;
constexpr std::string_view message = R"({"ok":1})";
constexpr std::string_view line = "{\"ok\":1}\n";  // as the listener frames it
constexpr std::string_view item = "{\"ip\":\"10.20.30.40\"}\n";

/// Connections whose items wait for an answer of another thread.
class Questions {
public:
    void add(ConnectionId conn) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(conn);
        news_.notify_one();
    }
    /// Waits for all questions since the last call; none after the end.
    std::deque<ConnectionId> take() {
        std::unique_lock lock(mutex_);
        news_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
        return std::exchange(waiting_, {});
    }
    void end() {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        news_.notify_one();
    }

private:
    std::mutex mutex_;  // guards the members below
    std::condition_variable news_;
    std::deque<ConnectionId> waiting_;
    bool ended_ = false;
};

class Handler final : public holdfast::EventHandler {
public:
    Handler(Questions& questions, const std::atomic<bool>& asks) : questions_(questions), asks_(asks) {}
    void on_start(holdfast::ReactorContext& context) override { context_ = &context; }
    void on_connected(const holdfast::ConnectedEvent&) override {}
    void on_closed(const holdfast::ClosedEvent&) override {}
    void on_item(const holdfast::ItemEvent& event) override {
        if (asks_) {
            questions_.add(event.conn);
        } else {
            context_->send(event.conn, message);
        }
    }

private:
    Questions& questions_;
    const std::atomic<bool>& asks_;
    holdfast::ReactorContext* context_ = nullptr;
};

/// The sockets of all devices.
class Devices {
public:
    explicit Devices(const holdfast::Endpoint& gateway) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(gateway.port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (pollfd& each : sockets_) {
            each = {.fd = ::socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN, .revents = 0};
            const int on = 1;
            ::setsockopt(each.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            if (::connect(each.fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) std::perror("connect");
        }
    }
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;
    ~Devices() {
        for (const pollfd& each : sockets_) ::close(each.fd);
    }

    /// Reads until so many messages have arrived at all devices together. Each complete one is answered by another item
    /// as long as `items` is not 0.
    void read(std::size_t messages, std::size_t items = 0) {
        std::array<char, 65'536> bytes{};
        std::size_t left = messages * line.size();
        while (left > 0 && ::poll(sockets_.data(), sockets_.size(), 10'000) > 0) {
            for (pollfd& each : sockets_) {
                if (each.revents == 0) continue;
                const ssize_t got = ::recv(each.fd, bytes.data(), bytes.size(), 0);
                if (got <= 0) return std::perror("recv");
                left -= std::min(left, static_cast<std::size_t>(got));
                if (items > 0 && items-- > 0) say(each.fd);
            }
        }
        if (left > 0) std::fprintf(stderr, "%zu bytes did not arrive\n", left);
    }
    /// Sends an item from each device, and the next one after each answer. Returns the answers per second.
    double ask(std::size_t count) {
        const auto began = Clock::now();
        for (const pollfd& each : sockets_) say(each.fd);
        read(count, count - devices);
        return static_cast<double>(count) / std::chrono::duration<double>(Clock::now() - began).count();
    }

private:
    static void say(int socket) {
        if (::send(socket, item.data(), item.size(), MSG_NOSIGNAL) < 0) std::perror("send");
    }

    std::array<pollfd, devices> sockets_{};
};

/// Returns the messages per second that `send(i)` sends and the devices receive, of `count` messages.
template <typename Send>
double rate_of(Devices& to, std::size_t count, std::size_t step, const Send& send) {
    const auto began = Clock::now();
    std::jthread reading([&] { to.read(count); });
    for (std::size_t i = 0; i < count; i += step) send(i);
    reading.join();
    return static_cast<double>(count) / std::chrono::duration<double>(Clock::now() - began).count();
}

struct Round {
    double send, post, send_many, handler, thread;
};

Round measure(holdfast::Server& server, const std::vector<ConnectionId>& ids, Devices& to, std::atomic<bool>& asks) {
    Round round{};
    round.send = rate_of(to, 20'000, 1, [&](std::size_t i) {
        if (server.send(ids[i % devices], message) != holdfast::SendOutcome::queued) std::puts("not sent");
    });
    round.post = rate_of(to, 200'000, 1, [&](std::size_t i) {
        const ConnectionId conn = ids[i % devices];
        server.post(conn, [conn](holdfast::ReactorContext& context) { context.send_bytes(conn, line); });
    });
    round.send_many = rate_of(to, 200'000, devices, [&](std::size_t) { server.send_many(ids, line); });
    asks = false;
    round.handler = to.ask(100'000);
    asks = true;
    round.thread = to.ask(20'000);
    return round;
}

template <typename Value>
double median(const std::vector<Round>& all, const Value& value) {
    std::vector<double> values;
    for (const Round& each : all) values.push_back(value(each));
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void print(const std::vector<Round>& all) {
    const auto ratio = [&all](const char* name, double Round::*a, double Round::*b) {
        std::printf("%-20s %6.1f\n", name, median(all, [=](const Round& each) { return each.*a / each.*b; }));
    };
    for (const auto& [name, way] :
         {std::pair{"send", &Round::send}, std::pair{"post", &Round::post}, std::pair{"send_many", &Round::send_many},
          std::pair{"handler", &Round::handler}, std::pair{"thread", &Round::thread}}) {
        std::printf("%-20s %9.0f/s\n", name, median(all, [way = way](const Round& each) { return each.*way; }));
    }
    ratio("post / send", &Round::post, &Round::send);
    ratio("send_many / send", &Round::send_many, &Round::send);
    ratio("handler / thread", &Round::handler, &Round::thread);
}

}  // namespace

int main(int argc, char** argv) {
    Questions questions;
    std::atomic<bool> asks = false;
    holdfast::ServerConfig config;
    config.reactors = 1;
    config.listeners[0].address = "127.0.0.1:0";
    auto started =
        holdfast::Server::start(config, [&](unsigned) { return std::make_unique<Handler>(questions, asks); });
    if (!started) return std::fprintf(stderr, "%s\n", started.error().message.c_str()), 1;
    holdfast::Server& server = *started.value();
    Devices to(server.status().listeners[0].bound);
    std::vector<ConnectionId> ids;
    while (ids.size() < devices) {
        ids.clear();
        for (const auto& row : server.list({}).rows) ids.push_back(row.conn);
    }
    std::jthread answering([&] {
        for (auto asked = questions.take(); !asked.empty(); asked = questions.take()) {
            for (const ConnectionId conn : asked) static_cast<void>(server.send(conn, message));
        }
    });
    std::vector<Round> all;
    const unsigned long rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : usual_rounds;
    while (all.size() < std::max(rounds, 1UL)) all.push_back(measure(server, ids, to, asks));
    questions.end();
    print(all);
}
