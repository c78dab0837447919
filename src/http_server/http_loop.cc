#include "http_server/http_loop.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

#include "base/fork_guard.h"
#include "base/start_thread.h"
#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr int accepts_per_turn = 16;  // heads are read in between
constexpr auto retry_after = 50ms;    // without a descriptor or memory

}  // namespace

HttpLoop::HttpLoop(HttpListener listener, HttpOptions options)
    : listener_(std::move(listener)),
      options_(std::move(options)),
      secrets_(options_.secrets),
      workers_(options_.limits.workers) {
    if (options_.service.is_probe)
        probe_worker_.emplace(WorkerPool::Limits{.active = 1, .aside = 0, .waiting = 2 * options_.limits.clients});
}

void HttpLoop::start() {
    acceptor_.assign(listener_.descriptor());
    wait_for_clients();
    thread_ = start_thread("admin-loop", [this] { run(); });
}

void HttpLoop::stop() {
    if (stopping_.exchange(true)) return;
    if (thread_.joinable()) {
        post([this] {
            close_listener();
            close_all(false);
        });
    }
    workers_.stop();
    if (probe_worker_) probe_worker_->stop();
    if (thread_.joinable()) {
        post([this] {  // after the answers that the workers have made
            close_all(true);
            work_.reset();
        });
        thread_.join();
    }
    close_listener();
}

void HttpLoop::close_listener() {
    if (acceptor_.is_open()) acceptor_.release();  // the descriptor is the listener's
    accept_again_.cancel();
    listener_.close();
}

void HttpLoop::change(DoorSecrets secrets) {
    const std::lock_guard lock(mutex_);
    secrets_ = std::move(secrets);
}

DoorSecrets HttpLoop::secrets() {
    const std::lock_guard lock(mutex_);
    return secrets_;
}

/// Retries until there is memory for it: an answer must not be lost.
void HttpLoop::post(std::function<void()> job) {
    for (;;) {
        try {
            return boost::asio::post(io_, job);
        } catch (const std::bad_alloc&) {
            std::this_thread::sleep_for(retry_after);
        }
    }
}

void HttpLoop::wake_feeds() noexcept {
    if (followed_ == 0 || feeds_woken_.exchange(true)) return;
    try {
        boost::asio::post(io_, [this] { pump_feeds(); });
    } catch (const std::exception&) {
        feeds_woken_ = false;  // the next event tries again
    }
}

WorkerPool& HttpLoop::workers_for(const HttpRequest& request) {
    return probe_worker_ && options_.service.is_probe(request) ? *probe_worker_ : workers_;
}

void HttpLoop::count(int status) const {
    if (options_.service.on_answer) options_.service.on_answer(status);
}

void HttpLoop::count_turned_away() const {
    if (options_.service.on_turned_away) options_.service.on_turned_away();
}

void HttpLoop::run() {
    ::setpriority(PRIO_PROCESS, 0, server_niceness);  // of this thread: setpriority(2)
    for (bool failed = false;;) {
        try {
            if (failed) close_all(false);
            if (failed && !stopping_) wait_for_clients();
            io_.run();
            return;
        } catch (const std::exception&) {  // no memory: the clients must repeat the request
            failed = true;
            std::this_thread::sleep_for(retry_after);
        }
    }
}

void HttpLoop::wait_for_clients() {
    using boost::asio::posix::descriptor_base;
    if (std::exchange(waits_for_clients_, true)) return;
    acceptor_.async_wait(descriptor_base::wait_read, [this](error_code failed) {
        waits_for_clients_ = false;
        if (!failed && !stopping_) accept_some();
    });
}

void HttpLoop::accept_some() {
    for (int i = 0; i < accepts_per_turn; ++i) {
        SocketAddress peer;
        UniqueFd socket(::accept4(listener_.descriptor(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (socket.valid()) {
            close_in_child(socket.get());
            admit(std::move(socket), to_endpoint(peer));
            continue;
        }
        if (errno == ECONNABORTED) continue;
        if (errno == EAGAIN || errno == EINTR) break;
        // No descriptor or no memory: the client waits in the backlog.
        accept_again_.expires_after(retry_after);
        return accept_again_.async_wait([this](error_code cancelled) {
            if (!cancelled) wait_for_clients();
        });
    }
    wait_for_clients();
}

void HttpLoop::admit(UniqueFd socket, const Endpoint& peer) {
    make_room();
    const auto client = std::make_shared<HttpConnection>(*this, io_, ++last_id_, peer);
    clients_.emplace(client->id(), client);
    if (!client->start(std::move(socket), secrets().tls)) forget(client->id());
}

/// Evicts the oldest evictable client of the source that has most of them, or of all clients if no source has more.
void HttpLoop::make_room() {
    if (std::cmp_less(all_evictable_, options_.limits.clients)) return;
    int max = 0;
    for (const auto& [source, count] : evictable_) max = std::max(max, count);
    const auto victim = std::find_if(clients_.begin(), clients_.end(), [&](const auto& entry) {
        const HttpConnection& client = *entry.second;
        return HttpConnection::is_evictable(client.stage()) && evictable_.at(client.source()) == max;
    });
    const std::shared_ptr<HttpConnection> evicted = victim->second;
    evicted->turn_away();
}

void HttpLoop::count_evictable(const HttpConnection::Source& source, int change) {
    const auto entry = evictable_.try_emplace(source).first;
    entry->second += change;
    all_evictable_ += change;
    if (entry->second == 0) evictable_.erase(entry);
}

/// Bounds the memory of unread answers: closes the oldest clients that do not read theirs.
void HttpLoop::limit_writers(const HttpConnection& newest) {
    std::vector<std::shared_ptr<HttpConnection>> writers;
    std::size_t bytes = 0;
    for (const auto& [id, client] : clients_) {
        if (client->stage() != HttpConnection::Stage::writing) continue;
        bytes += client->unread_bytes();
        writers.push_back(client);
    }
    std::size_t left = writers.size();
    for (const auto& writer : writers) {
        if (left <= options_.limits.writers && bytes <= options_.limits.unread_bytes) return;
        if (writer.get() == &newest) continue;
        bytes -= writer->unread_bytes();
        --left;
        writer->close();
    }
}

void HttpLoop::become_follower(HttpConnection& client) {
    auto entry = clients_.extract(client.id());
    if (!entry.empty()) followers_.insert(std::move(entry));
    followed_ = followers_.size();
}

void HttpLoop::forget(std::uint64_t id) {
    clients_.erase(id);
    followers_.erase(id);
    followed_ = followers_.size();
}

void HttpLoop::pump_feeds() {
    feeds_woken_ = false;  // cleared before the feeds are read: an event that arrives now wakes again
    std::vector<std::shared_ptr<HttpConnection>> all;
    all.reserve(followers_.size());
    for (const auto& [id, client] : followers_) all.push_back(client);
    for (const auto& client : all) {
        if (client->unread_bytes() == 0) client->pump_feed();
    }
}

void HttpLoop::close_all(bool also_answering) {
    std::vector<std::shared_ptr<HttpConnection>> all;
    for (const auto* clients : {&clients_, &followers_}) {
        for (const auto& [id, client] : *clients) {
            if (also_answering || client->stage() != HttpConnection::Stage::answering) all.push_back(client);
        }
    }
    for (const auto& client : all) client->close();
}

}  // namespace holdfast
