#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/unique_fd.h"
#include "http_server/http_message.h"
#include "http_server/http_server.h"
#include "http_server/tls_stream.h"

namespace holdfast {

class HttpLoop;

/// One client: reads a request, passes it to the service, writes the answer, and repeats. Owns the socket. The loop's
/// thread; a worker reads the request while `stage` is answering. Ends by close().
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
public:
    enum class Stage : std::uint8_t { head, body, answering, writing, lingering, following, closed };
    /// An IPv4 address, or the /64 of an IPv6 one, which is one host's as a whole.
    using Source = std::array<std::uint8_t, 16>;

    HttpConnection(HttpLoop& loop, boost::asio::io_context& io, std::uint64_t id, const Endpoint& peer);
    ~HttpConnection();

    /// Returns false and closes `socket` if there is no memory for the client.
    [[nodiscard]] bool start(UniqueFd socket, const std::shared_ptr<const TlsContext>& tls);
    /// Answers 503 as far as the socket accepts it at once, and closes.
    void turn_away();
    void close();
    void pump_feed();

    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] const Source& source() const { return source_; }
    [[nodiscard]] Stage stage() const { return stage_; }
    /// Returns whether no answer is under way: a newer client may take the place.
    [[nodiscard]] static bool is_evictable(Stage stage) {
        return stage == Stage::head || stage == Stage::body || stage == Stage::lingering;
    }
    [[nodiscard]] std::size_t unread_bytes() const { return out_.size() - written_; }

private:
    using Wait = boost::asio::posix::descriptor_base::wait_type;

    void step();
    void enter(Stage stage);
    void wait(short events);
    void wait(Wait type, bool& pending);
    void set_deadline(std::chrono::milliseconds left);
    void arm_timer();
    void expire();

    void read_head();
    void take_head(std::size_t size);
    [[nodiscard]] std::optional<HttpResponse> refuse_head();
    void read_body();
    void have_answered();
    void send(const HttpResponse& answer);
    void refuse(const HttpResponse& answer);
    void write();
    void end_answer();
    void discard();
    void follow(HttpFeed feed);
    [[nodiscard]] bool flush();
    [[nodiscard]] HttpRequest request() const;

    HttpLoop& loop_;
    const std::uint64_t id_;
    const Endpoint peer_;
    const Source source_;
    UniqueFd fd_;
    boost::asio::posix::stream_descriptor socket_;  // waits for fd_
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point deadline_;
    TlsStream stream_{-1, nullptr};
    Stage stage_ = Stage::closed;  // until start()
    bool waits_for_timer_ = false;
    bool waits_to_read_ = false;
    bool waits_to_write_ = false;
    bool last_ = false;  // the connection ends with this answer
    bool with_body_ = true;
    int requests_left_;
    std::string in_;  // of the head, and the bytes after it
    std::string body_;
    RequestHead head_;
    std::string out_;
    std::size_t written_ = 0;
    std::size_t discarded_ = 0;
    HttpFeed feed_;
};

}  // namespace holdfast
