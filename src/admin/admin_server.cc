#include "admin/admin_server.h"

#include <sys/resource.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <system_error>
#include <utility>

#include "admin/admin_listener.h"
#include "admin/feed_stream.h"
#include "admin/http_front.h"
#include "admin/http_text.h"
#include "admin/request_lobby.h"
#include "admin/request_stream.h"
#include "admin/worker_threads.h"
#include "base/system_failure.h"
#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::size_t threads = 8;        // that answer; those that feed come on top, so that they take none away
constexpr std::size_t most_aside = 32;    // requests that wait for events; on top as well
constexpr std::size_t most_waiting = 64;  // requests without a thread; more are turned away

/// Of the admin threads to those that hold devices: where processor time is short, looking waits, not the devices.
constexpr int politeness = 10;

void be_polite() {
    static thread_local const int done = [] {
        return ::setpriority(PRIO_PROCESS, 0, politeness);  // of this thread: setpriority(2)
    }();
    static_cast<void>(done);
}

}  // namespace

class AdminServer::Impl {
public:
    Impl(bool is_unix, ControlPlane& gateway, ApiOptions options, DoorOptions door)
        : is_unix_(is_unix),
          secrets_(std::move(door.secrets)),
          meter_(door.meter != nullptr ? *door.meter : own_meter_),
          // A body past max_message_bytes is the API's to refuse, unless it is absurd: any message fits twice.
          gate_(
              {.max_body_bytes = 2 * options.max_message_bytes, .any_host = is_unix_, .hosts = std::move(door.hosts)}),
          api_(gateway, with_wait(std::move(options))),
          front_(api_, gate_, meter_, std::move(door.on_unauthorized)),
          workers_(threads + EventHub::most_subscribers + most_aside) {}

    ~Impl() { stop(); }

    [[nodiscard]] std::optional<Error> open(AdminListener listener) {
        RequestLobby::Hooks hooks;
        hooks.on_head = [this](Arrival& arrival) { return on_head(arrival); };
        hooks.make_wire = [this](UniqueFd socket) { return make_wire(std::move(socket)); };
        hooks.on_turned_away = [this] { return turn_away(); };
        auto lobby = RequestLobby::start(std::move(listener), std::move(hooks), {.head_bytes = max_head_bytes});
        if (!lobby) return lobby.error();
        lobby_ = std::move(lobby).value();
        return std::nullopt;
    }

    [[nodiscard]] Endpoint address() const noexcept { return lobby_->listener().address(); }

    void change(DoorSecrets secrets) {
        const std::lock_guard lock(mutex_);
        secrets_ = std::move(secrets);
    }

    void stop() {
        if (crowd_.stopping.exchange(true)) return;
        if (lobby_) lobby_->stop();
        workers_.stop();
    }

private:
    /// A wire without a socket where there is no memory for TLS: closed, never spoken to in plain.
    [[nodiscard]] TlsStream make_wire(UniqueFd socket) {
        const auto tls = secrets().tls;
        if (!tls) return TlsStream(std::move(socket));
        auto session = TlsSession::begin(tls, socket.get());
        return session ? TlsStream(std::move(socket), std::move(session)) : TlsStream(UniqueFd());
    }

    /// On the lobby's thread: probes are answered there, whatever the other threads do.
    [[nodiscard]] std::optional<std::string> on_head(Arrival& arrival) {
        if (arrival.head != Arrival::Head::whole) {
            const ApiAnswer refusal = refusal_of(arrival.head);
            meter_.count_status(refusal.status);
            return to_http(refusal);
        }
        if (auto answer = front_.answer_probe(arrival.bytes, secrets())) return answer;
        if (crowd_.waiting >= most_waiting) return turn_away();
        auto stream =
            std::make_shared<RequestStream>(std::move(arrival.wire), arrival.peer, limits_, crowd_, arrival.bytes);
        ++crowd_.waiting;
        workers_.enqueue([this, stream] {
            be_polite();
            const auto feed = answer(*stream);
            if (feed) serve_feed(stream->wire(), *feed, crowd_.stopping);
        });
        return std::nullopt;
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

    [[nodiscard]] std::string turn_away() {
        meter_.count(AdminOutcome::turned_away);
        return to_http(too_busy());
    }

    const bool is_unix_;
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
    WorkerThreads workers_;
    std::unique_ptr<RequestLobby> lobby_;  // last: its thread uses the others
};

Result<std::unique_ptr<AdminServer>> AdminServer::start(std::string_view place, ControlPlane& gateway,
                                                        ApiOptions options, DoorOptions door) {
    auto listener = AdminListener::open(place);
    if (!listener) return listener.error();
    try {
        auto impl = std::make_unique<Impl>(listener.value().is_unix(), gateway, std::move(options), std::move(door));
        if (auto error = impl->open(std::move(listener).value())) return *error;
        return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
    } catch (const std::system_error& failure) {
        return Error{"cannot serve the admin API at " + std::string(place) + ": " + describe(failure)};
    }
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;

Endpoint AdminServer::address() const noexcept { return impl_->address(); }

void AdminServer::change(DoorSecrets secrets) { impl_->change(std::move(secrets)); }

void AdminServer::stop() { impl_->stop(); }

}  // namespace holdfast
