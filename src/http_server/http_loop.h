#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http_server/http_connection.h"
#include "http_server/http_server.h"

namespace holdfast {

/// Implementation of an HttpServer: its listener, its clients, the loop's thread and the workers. The loop's thread,
/// except where noted.
class HttpLoop {
public:
    HttpLoop(HttpListener listener, HttpOptions options);
    ~HttpLoop() { stop(); }

    /// Throws if the system provides no thread or descriptor.
    void start();
    void stop();                           // any thread but the loop's
    void change(DoorSecrets secrets);      // any thread
    [[nodiscard]] DoorSecrets secrets();   // any thread
    void wake_feeds() noexcept;            // any thread
    void post(std::function<void()> job);  // any thread
    [[nodiscard]] const HttpListener& listener() const { return listener_; }
    [[nodiscard]] const HttpOptions& options() const { return options_; }
    [[nodiscard]] bool is_stopping() const { return stopping_; }
    /// Returns whether a client gets one request only, which makes room.
    [[nodiscard]] bool is_crowded() const { return clients_.size() > options_.limits.clients / 2; }
    [[nodiscard]] WorkerPool& workers() { return workers_; }
    [[nodiscard]] WorkerPool& workers_for(const HttpRequest& request);

    void count(int status) const;
    void count_turned_away() const;
    void become_follower(HttpConnection& client);
    void limit_writers(const HttpConnection& newest);
    void forget(std::uint64_t id);
    /// Adds 1 or -1 to the evictable clients of `source`.
    void count_evictable(const HttpConnection::Source& source, int change);

private:
    using Clients = std::map<std::uint64_t, std::shared_ptr<HttpConnection>>;  // the oldest first

    void run();
    void wait_for_clients();
    void accept_some();
    void admit(UniqueFd socket, const Endpoint& peer);
    void make_room();
    void close_listener();
    void close_all(bool also_answering);
    void pump_feeds();

    HttpListener listener_;
    const HttpOptions options_;
    std::mutex mutex_;
    DoorSecrets secrets_;  // guarded by mutex_
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    boost::asio::posix::stream_descriptor acceptor_{io_};
    boost::asio::steady_timer accept_again_{io_};
    bool waits_for_clients_ = false;
    Clients clients_;
    Clients followers_;
    std::map<HttpConnection::Source, int> evictable_;  // clients by source
    int all_evictable_ = 0;
    std::uint64_t last_id_ = 0;
    std::atomic<std::size_t> followed_ = 0;
    std::atomic<bool> feeds_woken_ = false;
    std::atomic<bool> stopping_ = false;
    WorkerPool workers_;
    std::optional<WorkerPool> probe_worker_;  // if the service has probes
    std::thread thread_;
};

}  // namespace holdfast
