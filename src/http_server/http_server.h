#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "http_server/http_listener.h"
#include "http_server/http_message.h"
#include "http_server/worker_pool.h"

namespace holdfast {

/// Returns the next server-sent event (HTML Living Standard, 9.2) with its empty line, or an empty text if there is
/// none now. Called on the server's thread.
using HttpFeed = std::function<std::string()>;

/// Callbacks of a server. `answer` runs on a worker and may block; the others must not. All may be called until stop().
struct HttpService {
    std::function<HttpResponse(const HttpRequest& request)> answer;
    /// Returns an empty function if the request opens no feed.
    std::function<HttpFeed(const HttpRequest& request)> open_feed = {};
    /// Returns whether a request runs on the reserved worker, which other requests never occupy.
    std::function<bool(const HttpRequest& request)> is_probe = {};
    std::function<void(int status)> on_answer = {};
    std::function<void()> on_turned_away = {};  ///< a client that was rejected for lack of room
    std::function<void(const Endpoint& peer)> on_unauthorized = {};
};

struct HttpLimits {
    std::size_t clients = 96;  ///< between requests or sending one; a newer client replaces one of them
    std::size_t writers = 64;  ///< clients that have not read their answer yet
    std::size_t unread_bytes = 32UL * 1024 * 1024;  ///< of their answers, in total
    std::size_t head_bytes = 16UL * 1024;
    std::size_t body_bytes = 128UL * 1024;
    int requests_per_client = 100;
    WorkerPool::Limits workers = {};
    std::chrono::milliseconds idle{2'000};      ///< to a request's first byte, with the TLS handshake
    std::chrono::milliseconds head{3'000};      ///< from its first byte to its empty line
    std::chrono::milliseconds body{3'000};      ///< from there to its end
    std::chrono::milliseconds answer{10'000};   ///< to read an answer
    std::chrono::milliseconds linger{500};      ///< for bytes after the last answer
    std::chrono::milliseconds stalled{5'000};   ///< a follower with a full socket is closed then
    std::chrono::milliseconds comment{15'000};  ///< between two bytes to a follower, for proxies that end quiet
                                                ///< connections
    int feed_buffer_bytes = 256 * 1024;         ///< SO_SNDBUF of a follower
};

struct HttpOptions {
    HttpService service;
    std::optional<RequestGate> gate = {};  ///< without it, every client is accepted
    DoorSecrets secrets = {};
    HttpLimits limits = {};
};

/// An HTTP/1.1 server on one listener: one thread with an event loop for all clients and feeds, and workers for the
/// answers. Clients are bounded in number, bytes and time.
class HttpServer {
public:
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>> make(HttpListener listener, HttpOptions options);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    /// Serves until stop(); once.
    [[nodiscard]] std::optional<Error> start();

    /// Returns the address with the port that the kernel chose; all zeros for a unix socket.
    [[nodiscard]] Endpoint address() const noexcept;

    /// Applies from the next request on, the certificate from the next connection on. Any thread.
    void change(DoorSecrets secrets);

    /// Waits within `answer`: see WorkerPool::wait_aside.
    [[nodiscard]] bool wait_aside(const std::function<bool()>& is_done);

    /// Wakes the feeds, which may have events. Any thread.
    void wake_feeds() noexcept;

    /// Returns when every thread has ended. Answers under way reach clients that accept them at once. A second call
    /// does nothing.
    void stop();

private:
    explicit HttpServer(std::unique_ptr<class HttpLoop> loop);
    std::unique_ptr<class HttpLoop> loop_;
};

}  // namespace holdfast
