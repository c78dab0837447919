#include "alarm/webhook.h"

#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "http_client/http_client.h"
#include "net/url.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_answer_bytes = 65'536;  // bytes of the answer's body, which is ignored

/// Blocks signals: they belong to the daemon's main thread.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

/// Why a message was not delivered.
struct Failure {
    std::string what;
    bool final = false;  // a retry would not help
};

}  // namespace

class Webhook::Courier {
public:
    Courier(HttpUrl url, const std::string& header, Log log, WebhookPolicy policy)
        : url_(std::move(url)),
          policy_(std::move(policy)),
          client_({.tls = url_.tls,
                   .host = url_.host,
                   .port = url_.port,
                   .socket = {},
                   .ca = {},
                   .keep = false,
                   .connect_timeout = policy_.connect_timeout}),
          log_(std::move(log)) {
        if (!header.empty()) headers_.push_back(header);
    }

    void run();
    void stop();
    void post(std::string json);
    WebhookStatus status() const {
        const std::lock_guard lock(mutex_);
        return status_;
    }

private:
    std::optional<std::string> next();
    void deliver(const std::string& json);
    std::optional<Failure> try_once(const std::string& json);
    bool pause(milliseconds time);
    void say(const std::string& line);

    const HttpUrl url_;
    const WebhookPolicy policy_;
    std::vector<std::string> headers_{"User-Agent: holdfast/" HOLDFAST_VERSION};
    HttpClient client_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Log log_;                          // guarded by mutex_; empty once stopped
    std::deque<std::string> waiting_;  // guarded by mutex_
    WebhookStatus status_;             // guarded by mutex_
    bool stopping_ = false;            // guarded by mutex_
};

void Webhook::Courier::post(std::string json) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= policy_.max_waiting) {
        waiting_.pop_front();
        ++status_.dropped;
    }
    waiting_.push_back(std::move(json));
    changed_.notify_all();
}

void Webhook::Courier::run() {
    block_signals();
    while (const auto json = next()) deliver(*json);
}

/// Ends the thread at once, also in a wait.
void Webhook::Courier::stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    log_ = nullptr;
    client_.break_off();
    changed_.notify_all();
}

std::optional<std::string> Webhook::Courier::next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return std::nullopt;
    std::string json = std::move(waiting_.front());
    waiting_.pop_front();
    return json;
}

void Webhook::Courier::deliver(const std::string& json) {
    std::optional<Failure> failure = try_once(json);
    for (const milliseconds time : policy_.pauses) {
        if (!failure || failure->final || !pause(time)) break;
        failure = try_once(json);
    }
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        ++(failure ? status_.failed : status_.delivered);
    }
    if (failure) {
        say("webhook at " + url_.authority() + ": " + failure->what +
            "; an alarm was not delivered. Make the URL accept a POST, or change webhook in [alarm]");
    }
}

/// Returns false if it is time to stop.
bool Webhook::Courier::pause(milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void Webhook::Courier::say(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (log_) log_(line);
}

std::optional<Failure> Webhook::Courier::try_once(const std::string& json) {
    const auto said = client_.request({.method = "POST",
                                       .target = url_.target,
                                       .headers = headers_,
                                       .body = json,
                                       .timeout = policy_.connect_timeout + policy_.answer_timeout,
                                       .max_body = max_answer_bytes});
    if (const auto* failure = std::get_if<HttpFailure>(&said)) return Failure{"no answer (" + failure->cause + ")"};
    const int status = std::get<HttpAnswer>(said).status;
    if (status >= 200 && status < 300) return std::nullopt;
    const bool final = status < 500 && status != 408 && status != 429;
    return Failure{"the response was " + std::to_string(status), final};
}

Webhook::Webhook(WebhookTarget target, Log log, WebhookPolicy policy) {
    auto parsed = parse_http_url(target.url);
    if (!parsed) {  // the configuration's check parses it in the same way, but a library user may not have checked it
        log("alarm webhook: the URL is invalid, and no alarm is posted");
        return;
    }
    courier_ = std::make_unique<Courier>(std::move(parsed.value()), target.header, std::move(log), std::move(policy));
    thread_ = std::thread([courier = courier_.get()] { courier->run(); });
}

Webhook::~Webhook() {
    if (!courier_) return;
    courier_->stop();
    thread_.join();
}

void Webhook::post(std::string json) {
    if (courier_) courier_->post(std::move(json));
}
WebhookStatus Webhook::status() const { return courier_ ? courier_->status() : WebhookStatus{}; }

}  // namespace holdfast
