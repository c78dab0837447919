#include "admin/admin_server.h"

#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "admin/feed_stream.h"
#include "admin/http_front.h"
#include "admin/request_stream.h"
#include "base/unique_fd.h"
#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

constexpr std::size_t threads = 8;        // that answer; those that feed come on top, so that they take none away
constexpr std::size_t most_aside = 32;    // requests that wait for events; on top as well
constexpr std::size_t most_waiting = 64;  // clients without a thread; more are turned away
constexpr int backlog = 1024;

std::string system_error(std::string_view address, std::string_view what) {
    return "cannot " + std::string(what) + " the admin address " + std::string(address) + ": " + std::strerror(errno);
}

Error bind_error(std::string_view address) {
    const bool taken = errno == EADDRINUSE;
    return Error{system_error(address, "listen on") + (taken ? "; another process has it" : "") +
                 "; choose another with --admin or [admin] address"};
}

Result<UniqueFd> listen_on(std::string_view text, const Endpoint& endpoint) {
    const SocketAddress address = to_socket_address(endpoint);
    UniqueFd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return Error{system_error(text, "make a socket for")};
    const int on = 1;
    // Not SO_REUSEPORT, which httplib would set: two gateways on one admin address must not both start.
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), address.get(), address.length) != 0) return bind_error(text);
    if (::listen(socket.get(), backlog) != 0) return bind_error(text);
    return socket;
}

Endpoint name_of(int socket) {
    SocketAddress address;
    ::getsockname(socket, address.get(), &address.length);
    return to_endpoint(address);
}

bool is_loopback(const IpAddress& address) {
    static const Prefix v4 = parse_prefix("127.0.0.0/8").value();
    static const Prefix v6 = parse_prefix("::1").value();
    return v4.contains(address) || v6.contains(address);
}

}  // namespace

class AdminServer::Impl {
public:
    Impl(UniqueFd listener, UniqueFd wake, ControlPlane& gateway, ApiOptions options)
        : listener_(std::move(listener)),
          wake_(std::move(wake)),
          bound_(name_of(listener_.get())),
          // A body past max_message_bytes is the API's to refuse, unless it is absurd: any message fits twice.
          gate_(2 * options.max_message_bytes, is_loopback(bound_.address)),
          api_(gateway, with_wait(std::move(options))),
          front_(api_, gate_),
          workers_(threads + EventHub::most_subscribers + most_aside),
          acceptor_([this] { accept_all(); }) {}

    ~Impl() { stop(); }

    [[nodiscard]] Endpoint address() const noexcept { return bound_; }

    void stop() {
        if (crowd_.stopping.exchange(true)) return;
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t woken = ::write(wake_.get(), &one, sizeof one);
        acceptor_.join();
        workers_.shutdown();
        listener_.reset();
    }

private:
    void accept_all() {
        while (!crowd_.stopping) {
            pollfd watched[] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
            ::poll(watched, 2, -1);
            if (watched[0].revents == 0) continue;
            SocketAddress peer;
            UniqueFd client(::accept4(listener_.get(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (client.valid()) {
                admit(std::move(client), to_endpoint(peer));
            } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                // No descriptor or no memory: the client waits in the backlog. Whatever it is, look again.
                ::poll(&watched[1], 1, 50);
            }
        }
    }

    void admit(UniqueFd client, const Endpoint& peer) {
        if (crowd_.waiting >= most_waiting) return turn_away(client.get());
        const int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ++crowd_.waiting;
        auto stream = std::make_shared<RequestStream>(std::move(client), peer, limits_, crowd_);
        workers_.enqueue([this, stream] {
            const auto feed = answer(*stream);
            if (feed) serve_feed(stream->socket(), *feed, crowd_.stopping);
        });
    }

    /// One client at each place.
    std::unique_ptr<EventHub::Subscription> answer(RequestStream& stream) {
        places_.acquire();
        ++crowd_.serving;
        --crowd_.waiting;
        std::unique_ptr<EventHub::Subscription> feed;
        if (!crowd_.stopping) feed = front_.serve(stream, crowd_);
        --crowd_.serving;
        places_.release();
        return feed;
    }

    ApiOptions with_wait(ApiOptions options) {
        options.wait_aside = [this](const std::function<bool()>& look) { return wait_aside(look); };
        return options;
    }

    /// On a request's thread, whose place another request may have meanwhile.
    bool wait_aside(const std::function<bool()>& look) {
        struct Slot {
            std::atomic<std::size_t>& taken;
            std::size_t number = ++taken;
            ~Slot() { --taken; }
        } const slot{aside_};
        if (slot.number > most_aside) return false;
        --crowd_.serving;
        places_.release();
        while (!crowd_.stopping && !look()) continue;
        places_.acquire();
        ++crowd_.serving;
        return true;
    }

    static void turn_away(int client) {
        const ApiAnswer busy = Api::error(503, "too_busy", "too many admin clients wait: ask again in a second");
        const std::string text =
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: " + busy.type +
            "\r\nContent-Length: " + std::to_string(busy.body.size()) + "\r\n\r\n" + busy.body;
        ::send(client, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    UniqueFd listener_;
    UniqueFd wake_;
    Endpoint bound_;
    StreamLimits limits_;
    Crowd crowd_{.threads = threads};
    std::atomic<std::size_t> aside_ = 0;
    RequestGate gate_;
    Api api_;
    HttpFront front_;
    std::counting_semaphore<threads> places_{threads};
    httplib::ThreadPool workers_;
    std::thread acceptor_;
};

Result<std::unique_ptr<AdminServer>> AdminServer::start(std::string_view address, ControlPlane& gateway,
                                                        ApiOptions options) {
    const auto endpoint = parse_endpoint(address);
    if (!endpoint) return Error{"the admin address is not one: " + endpoint.error().message};
    auto listener = listen_on(address, endpoint.value());
    if (!listener) return listener.error();
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.valid()) return Error{system_error(address, "make an eventfd for")};
    auto impl = std::make_unique<Impl>(std::move(listener.value()), std::move(wake), gateway, std::move(options));
    return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;

Endpoint AdminServer::address() const noexcept { return impl_->address(); }

void AdminServer::stop() { impl_->stop(); }

}  // namespace holdfast
