#include "admin/admin_server.h"

#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "admin/admin_listener.h"
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

/// Of the admin threads to those that hold devices: where processor time is short, looking waits, not the devices.
constexpr int politeness = 10;

void be_polite() {
    static thread_local const int done = [] {
        ::pthread_setname_np(::pthread_self(), "admin");
        return ::setpriority(PRIO_PROCESS, 0, politeness);  // of this thread: setpriority(2)
    }();
    static_cast<void>(done);
}

}  // namespace

class AdminServer::Impl {
public:
    Impl(AdminListener listener, UniqueFd wake, ControlPlane& gateway, ApiOptions options, DoorOptions door)
        : listener_(std::move(listener)),
          wake_(std::move(wake)),
          secrets_(std::move(door.secrets)),
          meter_(door.meter != nullptr ? *door.meter : own_meter_),
          // A body past max_message_bytes is the API's to refuse, unless it is absurd: any message fits twice.
          gate_({.max_body_bytes = 2 * options.max_message_bytes,
                 .any_host = listener_.is_unix(),
                 .hosts = std::move(door.hosts)}),
          api_(gateway, with_wait(std::move(options))),
          front_(api_, gate_, meter_, std::move(door.on_unauthorized)),
          workers_(threads + EventHub::most_subscribers + most_aside),
          acceptor_([this] { accept_all(); }) {}

    ~Impl() { stop(); }

    [[nodiscard]] Endpoint address() const noexcept { return listener_.address(); }

    void change(DoorSecrets secrets) {
        const std::lock_guard lock(mutex_);
        secrets_ = std::move(secrets);
    }

    void stop() {
        if (crowd_.stopping.exchange(true)) return;
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t woken = ::write(wake_.get(), &one, sizeof one);
        acceptor_.join();
        workers_.shutdown();
        listener_.close();
    }

private:
    void accept_all() {
        be_polite();
        while (!crowd_.stopping) {
            pollfd watched[] = {{listener_.descriptor(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
            ::poll(watched, 2, -1);
            if (watched[0].revents == 0) continue;
            SocketAddress peer;
            UniqueFd client(::accept4(listener_.descriptor(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
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
        const auto tls = secrets().tls;
        auto session = tls ? TlsSession::begin(tls, client.get()) : nullptr;
        if (tls && !session) return;  // no memory for it: closed, never spoken to in plain
        ++crowd_.waiting;
        auto stream =
            std::make_shared<RequestStream>(Wire(std::move(client), std::move(session)), peer, limits_, crowd_);
        workers_.enqueue([this, stream] {
            be_polite();
            const auto feed = answer(*stream);
            if (feed) serve_feed(stream->wire(), *feed, crowd_.stopping);
        });
    }

    [[nodiscard]] DoorSecrets secrets() {
        const std::lock_guard lock(mutex_);
        return secrets_;
    }

    /// One client at each place.
    std::unique_ptr<EventHub::Subscription> answer(RequestStream& stream) {
        places_.acquire();
        ++crowd_.serving;
        --crowd_.waiting;
        std::unique_ptr<EventHub::Subscription> feed;
        if (!crowd_.stopping) feed = front_.serve(stream, crowd_, [this] { return secrets(); });
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

    /// Under TLS there is no place for the handshake either: the connection ends without a word.
    void turn_away(int client) {
        meter_.count(AdminOutcome::turned_away);
        if (secrets().tls) return;
        ApiAnswer busy = Api::error(503, "too_busy", "too many admin clients wait: ask again in a second");
        busy.headers.emplace_back("Retry-After", "1");
        const std::string text = to_http(busy);
        ::send(client, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    AdminListener listener_;
    UniqueFd wake_;
    std::mutex mutex_;
    DoorSecrets secrets_;  // guarded by mutex_
    AdminMeter own_meter_;
    AdminMeter& meter_;
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

Result<std::unique_ptr<AdminServer>> AdminServer::start(std::string_view place, ControlPlane& gateway,
                                                        ApiOptions options, DoorOptions door) {
    auto listener = AdminListener::open(place);
    if (!listener) return listener.error();
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.valid()) {
        return Error{"cannot make an eventfd for the admin address " + std::string(place) + ": " +
                     std::strerror(errno)};
    }
    auto impl = std::make_unique<Impl>(std::move(listener).value(), std::move(wake), gateway, std::move(options),
                                       std::move(door));
    return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;

Endpoint AdminServer::address() const noexcept { return impl_->address(); }

void AdminServer::change(DoorSecrets secrets) { impl_->change(std::move(secrets)); }

void AdminServer::stop() { impl_->stop(); }

}  // namespace holdfast
