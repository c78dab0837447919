#include "forward/nats_link.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "forward/callback_handle.h"
#include "forward/nats_client.h"
#include "net/url.h"
#include "text/printable.h"
#include "text/units.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds info_timeout{1'000};
constexpr milliseconds shortest_life{1'000};

/// Written by the client's callbacks, whose thread does nothing else.
struct LinkNews {
    std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    bool watchers_changed = false;
    bool up = false;      // as of the last callback
    bool closed = false;  // for good: the client gave up
    std::uint64_t ups = 0;
    std::chrono::steady_clock::time_point down_since = std::chrono::steady_clock::now();
    std::string refused_right;  // over the present connection

    void connected(bool is) {
        const std::lock_guard lock(mutex);
        if (up && !is) down_since = std::chrono::steady_clock::now();
        up = is;
        if (is) ++ups;
        if (is) refused_right.clear();
        changed.notify_all();
    }
    void given_up() {
        const std::lock_guard lock(mutex);
        if (up) down_since = std::chrono::steady_clock::now();
        up = false;
        closed = true;
        changed.notify_all();
    }
};

using NewsHandle = CallbackHandle<LinkNews>;

void on_disconnected(natsConnection*, void* closure) {
    if (const auto news = NewsHandle::find(closure)) news->connected(false);
}
void on_reconnected(natsConnection*, void* closure) {
    if (const auto news = NewsHandle::find(closure)) news->connected(true);
}
void on_closed(natsConnection*, void* closure) {
    if (const auto news = NewsHandle::find(closure)) news->given_up();
}
/// Replaces the client's default, which prints errors on standard error. The server reports missing permissions only
/// here.
void on_error(natsConnection* client, natsSubscription*, natsStatus status, void* closure) {
    if (status != NATS_NOT_PERMITTED) return;
    const char* text = nullptr;
    if (natsConnection_GetLastError(client, &text) == NATS_OK || text == nullptr) return;
    const std::string words = printable(text);
    if (const auto news = NewsHandle::find(closure)) {
        const std::lock_guard lock(news->mutex);
        news->refused_right = words;
    }
}

/// A registered watcher.
struct WatcherEntry {
    std::recursive_mutex mutex;  // recursive: a call may destroy its own watcher
    std::function<void()> call;  // guarded by mutex; empty: removed
    std::uint64_t told = 0;      // of the link's thread: the last connection reported to it
};

/// A connection and its JetStream context, destroyed in the right order.
struct Connection {
    natsConnection* client = nullptr;
    jsCtx* jetstream = nullptr;
    std::optional<NewsHandle> handle;

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        jsCtx_Destroy(jetstream);
        natsConnection_Destroy(client);
    }
};

class Link final : public NatsLink {
public:
    Link(NatsOptions options, std::vector<NatsUrl> urls)
        : options_(std::move(options)), urls_(std::move(urls)), thread_([this] { run(); }) {}

    ~Link() override {
        {
            const std::lock_guard lock(news_->mutex);
            news_->stopping = true;
            news_->changed.notify_all();
        }
        thread_.join();
    }

    [[nodiscard]] bool connected() const override {
        const std::lock_guard lock(news_->mutex);
        return news_->up;
    }
    [[nodiscard]] std::string trouble() const override;
    [[nodiscard]] std::uint64_t reconnects() const override {
        const std::lock_guard lock(news_->mutex);
        return news_->ups > 0 ? news_->ups - 1 : 0;
    }
    [[nodiscard]] NatsServerFacts facts() const override {
        const std::lock_guard lock(mutex_);
        return facts_;
    }
    [[nodiscard]] std::string url_in_use() const override {
        const std::lock_guard lock(mutex_);
        return url_;
    }
    [[nodiscard]] std::string take_refused_right() override {
        const std::lock_guard lock(news_->mutex);
        return std::exchange(news_->refused_right, "");
    }
    void change_server() override {
        const Lease now = lease();
        if (now.connection == nullptr) return;
        news_->connected(false);  // the client's callback comes later
        natsConnection_Close(now.connection);
    }
    [[nodiscard]] std::unique_ptr<Watcher> on_connected(std::function<void()> call) override;
    [[nodiscard]] natsConnection* connection() const override { return lease().connection; }
    [[nodiscard]] jsCtx* jetstream() const override { return lease().jetstream; }
    [[nodiscard]] Lease lease() const override {
        const std::lock_guard lock(mutex_);
        if (!current_) return {};
        return {current_->client, current_->jetstream, made_, current_};
    }

private:
    struct Registration;

    void run();
    [[nodiscard]] bool connect();
    [[nodiscard]] natsStatus connect_once(Connection& fresh);
    [[nodiscard]] bool pause(unsigned attempts);
    void follow();
    [[nodiscard]] bool check_server();
    void notify_watchers(std::uint64_t up);
    void note_failure(std::string why) {
        const std::lock_guard lock(mutex_);
        failure_ = std::move(why);
    }

    const NatsOptions options_;
    const std::vector<NatsUrl> urls_;
    const std::shared_ptr<LinkNews> news_ = std::make_shared<LinkNews>();
    std::list<std::shared_ptr<Connection>> given_up_;  // of thread_: leases may still use them
    mutable std::mutex mutex_;
    std::shared_ptr<Connection> current_;  // guarded by mutex_, as are the members below
    std::uint64_t made_ = 0;
    NatsServerFacts facts_;
    std::string url_;
    std::string failure_;  // of the last attempt
    std::list<std::shared_ptr<WatcherEntry>> watchers_;
    unsigned failures_ = 0;  // of thread_: in a row
    std::thread thread_;     // last: it uses the others
};

std::string Link::trouble() const {
    std::chrono::steady_clock::duration away{};
    bool up = false;
    {
        const std::lock_guard lock(news_->mutex);
        up = news_->up;
        away = std::chrono::steady_clock::now() - news_->down_since;
    }
    const std::lock_guard lock(mutex_);
    if (up) return facts_.version.empty() ? failure_ : "";
    std::string servers;
    for (const NatsUrl& url : urls_) servers += (servers.empty() ? "" : ", ") + url.shown();
    return "no connection to NATS at " + servers + " for " +
           format_duration(std::chrono::floor<std::chrono::seconds>(away)) +
           (failure_.empty() ? "" : " (" + failure_ + ")") + "; start it, or correct url in [sink]";
}

/// Returns true once connected, or false to end.
bool Link::connect() {
    for (;; ++failures_) {
        if (failures_ > 0 && !pause(failures_ - 1)) return false;
        {
            const std::lock_guard lock(news_->mutex);
            if (news_->stopping) return false;
            news_->closed = false;
        }
        auto fresh = std::make_shared<Connection>();
        if (connect_once(*fresh) != NATS_OK) continue;
        {
            const std::lock_guard lock(mutex_);
            if (current_ && !options_.fresh) given_up_.push_back(current_);
            current_ = std::move(fresh);
            ++made_;
        }
        news_->connected(true);
        return true;
    }
}

natsStatus Link::connect_once(Connection& fresh) {
    fresh.handle.emplace(news_);
    auto options = make_link_options(options_, urls_);
    if (!options) {
        note_failure(options.error().message);
        return NATS_ERR;
    }
    natsOptions* raw = options.value().get();
    void* closure = fresh.handle->closure();
    natsOptions_SetDisconnectedCB(raw, on_disconnected, closure);
    natsOptions_SetReconnectedCB(raw, on_reconnected, closure);
    natsOptions_SetClosedCB(raw, on_closed, closure);
    natsOptions_SetErrorHandler(raw, on_error, closure);
    natsStatus status = natsConnection_Connect(&fresh.client, raw);
    if (status == NATS_OK) status = natsConnection_JetStream(&fresh.jetstream, fresh.client, nullptr);
    if (status == NATS_OK) {
        note_failure("");
        return status;
    }
    const char* detail = nats_GetLastError(nullptr);
    const bool has_detail = detail != nullptr && *detail != '\0';
    note_failure(printable(has_detail ? detail : natsStatus_GetText(status)));
    return status;
}

/// Returns false to end.
bool Link::pause(unsigned attempts) {
    std::unique_lock lock(news_->mutex);
    news_->changed.wait_for(lock, reconnect_delay(attempts), [this] { return news_->stopping; });
    return !news_->stopping;
}

void Link::run() {
    while (connect()) {
        const auto since = std::chrono::steady_clock::now();
        follow();
        // A connection that is dropped at once counts as failed.
        failures_ = std::chrono::steady_clock::now() - since < shortest_life ? failures_ + 1 : 0;
        const std::lock_guard lock(news_->mutex);
        if (news_->stopping) break;
    }
    nats_ReleaseThreadMemory();
}

/// Runs until the client gives the connection up, or the end. Watchers are notified of a connection only when its
/// server is known.
void Link::follow() {
    std::uint64_t known = 0;
    for (;;) {
        std::uint64_t up = 0;
        {
            std::unique_lock lock(news_->mutex);
            const auto to_do = [&] {
                return news_->stopping || news_->closed || news_->watchers_changed ||
                       (news_->up && news_->ups != known);
            };
            news_->changed.wait(lock, to_do);
            if (news_->stopping || news_->closed) return;
            news_->watchers_changed = false;
            if (!news_->up) continue;
            up = news_->ups;
        }
        if (known != up && !check_server()) {
            if (!pause(0)) return;
            continue;
        }
        known = up;
        notify_watchers(up);
    }
}

bool Link::check_server() {
    char text[512] = "";
    if (natsConnection_GetConnectedUrl(connection(), text, sizeof text) != NATS_OK) return false;
    const auto server = parse_nats_urls(text);
    if (!server) return false;
    const auto facts = query_server_info(server.value().front(), info_timeout);
    const std::lock_guard lock(mutex_);
    url_ = server.value().front().shown();
    failure_ = facts ? "" : facts.error().message;
    if (facts) facts_ = facts.value();
    return facts.ok();
}

void Link::notify_watchers(std::uint64_t up) {
    std::list<std::shared_ptr<WatcherEntry>> watchers;
    {
        const std::lock_guard lock(mutex_);
        watchers = watchers_;
    }
    for (const auto& watcher : watchers) {
        if (std::exchange(watcher->told, up) == up) continue;
        const std::lock_guard lock(watcher->mutex);
        const auto call = watcher->call;  // a copy, since the call may destroy its watcher
        if (call) call();
    }
}

struct Link::Registration final : NatsLink::Watcher {
    Registration(Link& link, std::shared_ptr<WatcherEntry> entry) : link_(link), entry_(std::move(entry)) {}
    ~Registration() override {
        {
            const std::lock_guard lock(link_.mutex_);
            link_.watchers_.remove(entry_);
        }
        const std::lock_guard lock(entry_->mutex);  // waits for a call under way
        entry_->call = nullptr;
    }

    Link& link_;
    std::shared_ptr<WatcherEntry> entry_;
};

std::unique_ptr<NatsLink::Watcher> Link::on_connected(std::function<void()> call) {
    auto entry = std::make_shared<WatcherEntry>();
    entry->call = std::move(call);
    {
        const std::lock_guard lock(mutex_);
        watchers_.push_back(entry);
    }
    const std::lock_guard lock(news_->mutex);
    news_->watchers_changed = true;
    news_->changed.notify_all();
    return std::make_unique<Registration>(*this, std::move(entry));
}

}  // namespace

Result<std::unique_ptr<NatsLink>> NatsLink::open(NatsOptions options) {
    auto urls = parse_nats_urls(options.url);
    if (!urls) return urls.error();
    if (auto tried = make_link_options(options, urls.value()); !tried) return tried.error();
    return std::unique_ptr<NatsLink>(std::make_unique<Link>(std::move(options), std::move(urls).value()));
}

}  // namespace holdfast
