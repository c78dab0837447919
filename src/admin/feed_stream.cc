#include "admin/feed_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace holdfast {
namespace {

using Steady = std::chrono::steady_clock;

/// The end of the answer is the end of the connection: no length, no chunks.
constexpr std::string_view head =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Accel-Buffering: no\r\n"
    "Connection: close\r\n\r\n"
    ": holdfast\n\n";

/// A peer that vanished while data is on its way to it (tcp(7), TCP_USER_TIMEOUT).
constexpr std::chrono::milliseconds vanished{30'000};

class FeedStream {
public:
    FeedStream(TlsStream& wire, const std::atomic<bool>& stopping, const FeedLimits& limits)
        : wire_(wire), stopping_(stopping), limits_(limits) {
        const auto timeout = static_cast<unsigned>(vanished.count());
        ::setsockopt(wire_.socket(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
        ::setsockopt(wire_.socket(), SOL_SOCKET, SO_SNDBUF, &limits_.send_buffer_bytes,
                     sizeof limits_.send_buffer_bytes);
    }

    void run(EventHub::Subscription& feed) {
        bool open = send(head);
        while (open && !stopping_ && !has_left()) {
            const auto message = feed.next(limits_.glance);
            if (message) {
                open = send("event: " + std::string(to_string(message->kind)) + "\ndata: " + message->json + "\n\n");
            } else if (Steady::now() - sent_ >= limits_.comment) {
                open = send(": still here\n\n");
            }
        }
    }

private:
    /// A client has nothing more to say: the end of its bytes is the end of its interest.
    [[nodiscard]] bool has_left() const {
        pollfd watched{wire_.socket(), POLLRDHUP, 0};
        return ::poll(&watched, 1, 0) > 0;
    }

    [[nodiscard]] bool send(std::string_view bytes) {
        const auto began = Steady::now();
        while (!bytes.empty() && !stopping_) {
            const TlsStream::Step step = wire_.write(bytes);
            bytes.remove_prefix(step.bytes);
            if (step.bytes > 0) continue;
            if (step.wait_for == 0 || Steady::now() - began >= limits_.stalled) return false;
            pollfd watched{wire_.socket(), step.wait_for, 0};
            ::poll(&watched, 1, static_cast<int>(limits_.glance.count()));
        }
        sent_ = Steady::now();
        return bytes.empty();
    }

    TlsStream& wire_;
    const std::atomic<bool>& stopping_;
    const FeedLimits limits_;
    Steady::time_point sent_;
};

}  // namespace

void serve_feed(TlsStream& wire, EventHub::Subscription& feed, const std::atomic<bool>& stopping,
                const FeedLimits& limits) {
    FeedStream(wire, stopping, limits).run(feed);
}

}  // namespace holdfast
