#include "fleet/bucket.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "forward/callback_handle.h"

#include <nats/nats.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

using Steady = std::chrono::steady_clock;

constexpr milliseconds glance{100};
constexpr milliseconds watcher_rest{5'000};
constexpr std::int64_t answer_ms = 3'000;
constexpr std::int64_t max_publishes_in_flight = 16 * 1024;
constexpr int wrong_last_sequence = 10071;  // the server's code for a revision other than the expected one

template <typename T, void (*destroy)(T*)>
struct Destroy {
    void operator()(T* object) const { destroy(object); }
};
using StoreHandle = std::shared_ptr<kvStore>;
using ContextHandle = std::shared_ptr<jsCtx>;
using WatcherHandle = std::unique_ptr<kvWatcher, Destroy<kvWatcher, kvWatcher_Destroy>>;
using EntryHandle = std::unique_ptr<kvEntry, Destroy<kvEntry, kvEntry_Destroy>>;

class NatsBucket;

/// State for the client's callbacks during the lifetime of the bucket.
struct AckTaker {
    explicit AckTaker(const Bucket::Hearer& taker) : hearer(taker) {}
    const Bucket::Hearer& hearer;
    std::string prefix;  // subject prefix
    std::mutex mutex;    // held by a callback while it uses the bucket; stop() clears `open`
    bool open = true;
};

void on_ack(jsCtx*, natsMsg* msg, jsPubAck* ack, jsPubAckErr* error, void* closure) {
    const auto taker = CallbackHandle<AckTaker>::find(closure);
    const std::string subject = msg != nullptr ? natsMsg_GetSubject(msg) : "";
    natsMsg_Destroy(msg);
    if (!taker || !subject.starts_with(taker->prefix)) return;
    const std::string key = subject.substr(taker->prefix.size());
    const std::lock_guard lock(taker->mutex);
    if (!taker->open) return;
    if (ack != nullptr) {
        taker->hearer.landed(key, ack->Sequence);
    } else if (error != nullptr && static_cast<int>(error->ErrCode) == wrong_last_sequence) {
        taker->hearer.refused(key);
    } else {
        taker->hearer.failed(key);
    }
}

unsigned fitting_replicas(NatsLink& link, natsConnection* connection, unsigned wanted) {
    if (wanted != 0) return wanted;
    if (link.facts().cluster.empty()) return 1;
    char** servers = nullptr;
    int count = 0;
    if (natsConnection_GetServers(connection, &servers, &count) != NATS_OK) return 1;
    for (int i = 0; i < count; ++i) std::free(servers[i]);
    std::free(servers);
    return count >= 3 ? 3 : 1;
}

class NatsBucket final : public Bucket {
public:
    NatsBucket(NatsLink& link, Options options, Hearer hearer)
        : link_(link),
          options_(std::move(options)),
          hearer_(std::move(hearer)),
          taker_(std::make_shared<AckTaker>(hearer_)),
          handle_(taker_),
          prefix_("$KV." + options_.name + ".") {
        taker_->prefix = prefix_;
        watch_ = std::thread([this] { watch_all(); });
    }
    ~NatsBucket() override { stop(); }

    std::optional<Error> bind() override;
    bool put(const std::string& key, const std::string& value, std::optional<std::uint64_t> expected) override;
    void purge(const std::string& key, std::uint64_t revision) override;
    bool fetch(const std::string& key) override;
    void renew() override {
        renew_ = true;
        wake_.notify_all();
    }
    bool settle(milliseconds timeout) override;
    void stop() override;

private:
    [[nodiscard]] StoreHandle store() const {
        const std::lock_guard lock(mutex_);
        return store_;
    }
    [[nodiscard]] ContextHandle context() const {
        const std::lock_guard lock(mutex_);
        return context_;
    }
    [[nodiscard]] Error trouble(const char* what, natsStatus status) const {
        return Error{"the bucket " + options_.name + " " + what + ": " + natsStatus_GetText(status)};
    }
    natsStatus find_or_make(jsCtx* context, natsConnection* connection, kvStore** store) const;
    void watch_all();
    void watch_once(kvStore* store);
    void retire(WatcherHandle watcher);
    void destroy_retired();
    void tell(kvEntry* entry);

    NatsLink& link_;
    const Options options_;
    const Hearer hearer_;
    std::shared_ptr<AckTaker> taker_;
    CallbackHandle<AckTaker> handle_;
    const std::string prefix_;
    mutable std::mutex mutex_;  // guards the members below
    std::condition_variable wake_;
    natsConnection* bound_to_ = nullptr;
    ContextHandle context_;
    StoreHandle store_;
    std::deque<std::pair<Steady::time_point, WatcherHandle>> retired_;  // the watch's thread only
    std::atomic<bool> renew_{false};
    std::atomic<bool> stopping_{false};
    std::thread watch_;
};

natsStatus NatsBucket::find_or_make(jsCtx* context, natsConnection* connection, kvStore** store) const {
    const natsStatus found = js_KeyValue(store, context, options_.name.c_str());
    if (found != NATS_NOT_FOUND) return found;
    kvConfig config;
    kvConfig_Init(&config);
    config.Bucket = options_.name.c_str();
    config.Description = options_.description.c_str();
    config.History = 1;
    config.StorageType = js_FileStorage;
    config.Replicas = static_cast<int>(fitting_replicas(link_, connection, options_.replicas));
    const natsStatus made = js_CreateKeyValue(store, context, &config);
    // Another gateway may have created it first.
    return made == NATS_OK ? made : js_KeyValue(store, context, options_.name.c_str());
}

std::optional<Error> NatsBucket::bind() {
    natsConnection* const connection = link_.connection();
    if (connection == nullptr) return Error{"NATS is not connected"};
    if (store() != nullptr && bound_to_ == connection) return std::nullopt;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = answer_ms;
    options.PublishAsync.MaxPending = max_publishes_in_flight;
    options.PublishAsync.AckHandler = on_ack;
    options.PublishAsync.AckHandlerClosure = handle_.closure();
    jsCtx* made = nullptr;
    if (const natsStatus status = natsConnection_JetStream(&made, connection, &options); status != NATS_OK)
        return trouble("has no JetStream", status);
    const ContextHandle context(made, jsCtx_Destroy);
    kvStore* found = nullptr;
    if (const natsStatus status = find_or_make(made, connection, &found); status != NATS_OK)
        return trouble("can be neither found nor created", status);
    // The store refers to its context.
    const StoreHandle store(found, [context](kvStore* old) { kvStore_Destroy(old); });
    const std::lock_guard lock(mutex_);
    bound_to_ = connection;
    context_ = context;
    store_ = store;
    renew_ = true;
    wake_.notify_all();
    return std::nullopt;
}

bool NatsBucket::put(const std::string& key, const std::string& value, std::optional<std::uint64_t> expected) {
    const ContextHandle js = context();
    if (js == nullptr) return false;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = answer_ms;
    if (expected && *expected == 0) options.ExpectNoMessage = true;
    if (expected && *expected != 0) options.ExpectLastSubjectSeq = *expected;
    return js_PublishAsync(js.get(), (prefix_ + key).c_str(), value.data(), static_cast<int>(value.size()), &options) ==
           NATS_OK;
}

void NatsBucket::purge(const std::string& key, std::uint64_t revision) {
    natsConnection* const connection = link_.connection();
    if (connection == nullptr) return;
    // `seq` is exclusive. The answer is ignored: a later purge removes what remains.
    const std::string bound = revision == 0 ? "" : ",\"seq\":" + std::to_string(revision + 1);
    const std::string request = "{\"filter\":\"" + prefix_ + key + "\"" + bound + "}";
    natsConnection_PublishString(connection, ("$JS.API.STREAM.PURGE.KV_" + options_.name).c_str(), request.c_str());
}

bool NatsBucket::fetch(const std::string& key) {
    const StoreHandle kv = store();
    if (kv == nullptr) return false;
    kvEntry* found = nullptr;
    const natsStatus status = kvStore_Get(&found, kv.get(), key.c_str());
    const EntryHandle entry(found);
    if (status == NATS_OK) tell(found);
    if (status == NATS_NOT_FOUND) hearer_.removed(key, 0);
    return status == NATS_OK || status == NATS_NOT_FOUND;
}

bool NatsBucket::settle(milliseconds timeout) {
    const ContextHandle js = context();
    if (js == nullptr) return false;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = std::max<std::int64_t>(timeout.count(), 1);
    return js_PublishAsyncComplete(js.get(), &options) == NATS_OK;
}

void NatsBucket::stop() {
    if (stopping_.exchange(true)) return;
    wake_.notify_all();
    watch_.join();
    const std::lock_guard lock(taker_->mutex);
    taker_->open = false;
}

void NatsBucket::watch_all() {
    while (!stopping_) {
        const StoreHandle kv = store();
        if (kv != nullptr && link_.connected()) watch_once(kv.get());
        std::unique_lock lock(mutex_);
        if (!renew_ && !stopping_) wake_.wait_for(lock, glance);
    }
}

/// Runs one watch until it breaks off or renew() is called.
void NatsBucket::watch_once(kvStore* store) {
    renew_ = false;
    kvWatcher* made = nullptr;
    if (kvStore_WatchAll(&made, store, nullptr) != NATS_OK) return;
    WatcherHandle watcher(made);
    hearer_.begin();
    while (!stopping_ && !renew_) {
        destroy_retired();
        kvEntry* next = nullptr;
        const natsStatus status = kvWatcher_Next(&next, made, glance.count());
        const EntryHandle entry(next);
        if (status == NATS_TIMEOUT) continue;
        if (status != NATS_OK) break;
        next != nullptr ? tell(next) : hearer_.complete();
    }
    retire(std::move(watcher));
}

/// Defers the destruction. After a reconnection, a thread of the client replaces the watcher's consumer and frees data
/// that kvWatcher_Destroy reads (libnats 3.4).
void NatsBucket::retire(WatcherHandle watcher) { retired_.emplace_back(Steady::now(), std::move(watcher)); }

void NatsBucket::destroy_retired() {
    while (!retired_.empty() && retired_.front().first + watcher_rest <= Steady::now()) retired_.pop_front();
}

void NatsBucket::tell(kvEntry* entry) {
    const std::string key = kvEntry_Key(entry);
    if (kvEntry_Operation(entry) != kvOp_Put) return hearer_.removed(key, kvEntry_Revision(entry));
    const auto* const value = static_cast<const char*>(kvEntry_Value(entry));
    const auto size = static_cast<std::size_t>(kvEntry_ValueLen(entry));
    hearer_.saw(key, value != nullptr ? std::string(value, size) : std::string(), kvEntry_Revision(entry));
}

}  // namespace

std::unique_ptr<Bucket> Bucket::make(NatsLink& link, Options options, Hearer hearer) {
    return std::make_unique<NatsBucket>(link, std::move(options), std::move(hearer));
}

}  // namespace holdfast
