#include "watch/webhook.h"

#include <fcntl.h>
#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/http_url.h"
#include "base/unique_fd.h"

#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#error "https webhooks need a cpp-httplib with TLS, as Debian's has"
#endif

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_of_an_answer = 65'536;  // of its body; what it says is not looked at

/// The daemon's signals are for its main thread; SIGPIPE must not end the process.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

/// Nothing if it was delivered.
struct Failure {
    std::string what;
    bool final = false;  // trying again would not help
};

}  // namespace

class Webhook::Courier {
public:
    Courier(HttpUrl url, Log log, WebhookPolicy policy)
        : url_(std::move(url)), policy_(std::move(policy)), log_(std::move(log)) {}

    void run();
    [[nodiscard]] bool stop();
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
    void watch_socket(int descriptor);

    const HttpUrl url_;
    const WebhookPolicy policy_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Log log_;                          // guarded by mutex_; none once stopped
    std::deque<std::string> waiting_;  // guarded by mutex_
    WebhookStatus status_;             // guarded by mutex_
    UniqueFd socket_;                  // guarded by mutex_: a duplicate of the running request's
    bool stopping_ = false;            // guarded by mutex_
    bool ended_ = false;               // guarded by mutex_
};

void Webhook::Courier::post(std::string json) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= policy_.most_waiting) {
        waiting_.pop_front();
        ++status_.dropped;
    }
    waiting_.push_back(std::move(json));
    changed_.notify_all();
}

void Webhook::Courier::run() {
    block_signals();
    while (const auto json = next()) deliver(*json);
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
}

/// Ends the running request. False if it does not end: a name that is being looked up cannot be interrupted, and the
/// thread ends by itself when it has been.
bool Webhook::Courier::stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    log_ = nullptr;
    if (socket_.valid()) ::shutdown(socket_.get(), SHUT_RDWR);
    changed_.notify_all();
    return changed_.wait_for(lock, policy_.connect_timeout, [this] { return ended_; });
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
        say("webhook at " + url_.authority() + ": " + failure->what + "; an alarm was not delivered: see that it " +
            "takes a POST, or change webhook in [alarm]");
    }
}

/// False if it is time to stop.
bool Webhook::Courier::pause(milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void Webhook::Courier::say(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (log_) log_(line);
}

/// A duplicate is watched, since httplib closes its own whenever it likes.
void Webhook::Courier::watch_socket(int descriptor) {
    const std::lock_guard lock(mutex_);
    socket_.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (stopping_) ::shutdown(descriptor, SHUT_RDWR);
}

std::optional<Failure> Webhook::Courier::try_once(const std::string& json) {
    httplib::Client client((url_.tls ? "https://" : "http://") + url_.authority());
    if (!client.is_valid()) return Failure{"TLS could not be set up", true};
    client.set_connection_timeout(policy_.connect_timeout);
    client.set_read_timeout(policy_.answer_timeout);
    client.set_write_timeout(policy_.answer_timeout);
    client.set_socket_options([this](socket_t descriptor) { watch_socket(descriptor); });
    httplib::Request request;
    request.method = "POST";
    request.path = url_.target;
    request.headers = {{"Content-Type", "application/json"}, {"User-Agent", "holdfast/" HOLDFAST_VERSION}};
    request.body = json;
    std::size_t read = 0;
    request.content_receiver = [&read](const char*, std::size_t size, std::uint64_t, std::uint64_t) {
        return (read += size) <= most_of_an_answer;
    };
    httplib::Response response;
    auto error = httplib::Error::Success;
    response.status = -1;
    const bool answered = client.send(request, response, error);
    {
        const std::lock_guard lock(mutex_);
        socket_.reset();
    }
    if (response.status >= 200 && response.status < 300) return std::nullopt;
    if (!answered || response.status < 0) return Failure{"no answer (" + httplib::to_string(error) + ")"};
    const bool final = response.status < 500 && response.status != 408 && response.status != 429;
    return Failure{"it answered " + std::to_string(response.status), final};
}

Webhook::Webhook(const std::string& url, Log log, WebhookPolicy policy) {
    auto parsed = parse_http_url(url);
    HOLDFAST_CHECK(parsed.ok());
    courier_ = std::make_shared<Courier>(std::move(parsed.value()), std::move(log), std::move(policy));
    thread_ = std::thread([courier = courier_] { courier->run(); });
}

Webhook::~Webhook() {
    if (courier_->stop()) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void Webhook::post(std::string json) { courier_->post(std::move(json)); }
WebhookStatus Webhook::status() const { return courier_->status(); }

}  // namespace holdfast
