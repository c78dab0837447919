#include "http_server/http_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <variant>

#include "http_server/http_loop.h"
#include "net/address.h"
#include "text/units.h"

namespace holdfast {
namespace {

using boost::system::error_code;
using Steady = std::chrono::steady_clock;

constexpr std::string_view empty_line = "\r\n\r\n";
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t max_discarded = 32UL * 1024 * 1024;  // of a refused client's remaining bytes
constexpr std::size_t max_follower_bytes = 4UL * 1024;     // received from a follower
constexpr std::size_t feed_piece_bytes = 16UL * 1024;
constexpr std::size_t pieces_per_step = 64;  // then the other clients continue

/// The end of the connection ends the answer: no length, no chunks.
constexpr std::string_view feed_head =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Accel-Buffering: no\r\n"
    "Connection: close\r\n\r\n"
    ": holdfast\n\n";

/// Timeout of a follower that vanished with unacknowledged data (tcp(7), TCP_USER_TIMEOUT).
constexpr unsigned vanished_ms = 30'000;

HttpConnection::Source source_of(const IpAddress& address) { return masked(address, address.is_v4() ? 128 : 64).bytes; }

/// Returns the last answer to a client that has no place.
const std::string& too_busy(bool with_body) {
    static const auto bytes = [](bool with) {
        HttpResponse busy = http_error(503, "too_busy", "too many admin clients wait; repeat the request in a second");
        busy.headers.emplace_back("Retry-After", "1");
        return to_bytes(busy, with, true);
    };
    static const std::string whole = bytes(true);
    static const std::string head = bytes(false);
    return with_body ? whole : head;
}

/// Returns nullopt if the answer failed.
std::optional<HttpResponse> answer_of(const HttpService& service, const HttpRequest& request) {
    try {
        return service.answer(request);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace

HttpConnection::HttpConnection(HttpLoop& loop, boost::asio::io_context& io, std::uint64_t id, const Endpoint& peer)
    : loop_(loop),
      id_(id),
      peer_(peer),
      source_(source_of(peer.address)),
      socket_(io),
      timer_(io),
      requests_left_(loop.options().limits.requests_per_client) {}

HttpConnection::~HttpConnection() {
    if (socket_.is_open()) socket_.release();  // fd_ closes it
}

bool HttpConnection::start(UniqueFd socket, const std::shared_ptr<const TlsContext>& tls) {
    std::unique_ptr<TlsSession> session;
    if (tls && !(session = TlsSession::begin(tls, socket.get()))) return false;
    stream_ = TlsStream(socket.get(), std::move(session));
    error_code failed;
    socket_.assign(socket.get(), failed);
    if (failed) return false;
    fd_ = std::move(socket);
    enter(Stage::head);
    set_deadline(loop_.options().limits.idle);
    read_head();  // the request may have arrived already
    return true;
}

void HttpConnection::close() {
    if (stage_ == Stage::closed) return;
    enter(Stage::closed);
    if (socket_.is_open()) socket_.release();
    fd_.reset();
    timer_.cancel();
    feed_ = nullptr;
    loop_.forget(id_);
}

void HttpConnection::enter(Stage stage) {
    if (is_evictable(stage_) != is_evictable(stage)) loop_.count_evictable(source_, is_evictable(stage) ? 1 : -1);
    stage_ = stage;
}

void HttpConnection::turn_away() {
    if (stage_ != Stage::lingering) {
        loop_.count_turned_away();
        static_cast<void>(stream_.write(too_busy(true)));
    }
    close();
}

void HttpConnection::step() {
    switch (stage_) {
        case Stage::head:
            return read_head();
        case Stage::body:
            return read_body();
        case Stage::writing:
            return write();
        case Stage::lingering:
            return discard();
        case Stage::following:
            discard();
            return pump_feed();
        case Stage::answering:
        case Stage::closed:
            break;
    }
}

void HttpConnection::wait(short events) {
    if (events == 0) return close();
    if ((events & POLLIN) != 0) wait(Wait::wait_read, waits_to_read_);
    if ((events & POLLOUT) != 0) wait(Wait::wait_write, waits_to_write_);
}

void HttpConnection::wait(Wait type, bool& pending) {
    if (std::exchange(pending, true)) return;
    socket_.async_wait(type, [self = shared_from_this(), &pending](error_code failed) {
        pending = false;
        if (!failed) self->step();
    });
}

/// Moves the deadline. Leaves a timer that expires earlier: most clients pass several deadlines until then.
void HttpConnection::set_deadline(std::chrono::milliseconds left) {
    deadline_ = Steady::now() + left;
    if (!waits_for_timer_ || deadline_ < timer_.expiry()) arm_timer();
}

void HttpConnection::arm_timer() {
    waits_for_timer_ = false;
    timer_.expires_at(deadline_);
    timer_.async_wait([self = shared_from_this()](error_code cancelled) {
        // close() cannot cancel an expired timer, whose handler is queued.
        if (cancelled || self->stage_ == Stage::closed) return;
        self->waits_for_timer_ = false;
        Steady::now() < self->deadline_ ? self->arm_timer() : self->expire();
    });
    waits_for_timer_ = true;
}

void HttpConnection::expire() {
    if (stage_ == Stage::answering || stage_ == Stage::closed) return;
    const bool silent = stage_ == Stage::head && in_.empty();
    if ((stage_ == Stage::head && !silent) || stage_ == Stage::body)
        return refuse(http_error(408, "too_slow", "the request did not arrive in time; send it at once"));
    if (stage_ != Stage::following || unread_bytes() > 0) return close();
    out_ = ": still here\n\n";
    written_ = 0;
    pump_feed();
}

void HttpConnection::read_head() {
    const std::size_t max = loop_.options().limits.head_bytes;
    std::array<char, 4096> piece;
    for (std::size_t looked = 0;;) {
        const std::size_t end = in_.find(empty_line, looked);
        if (end != std::string::npos) return take_head(end + empty_line.size());
        if (in_.size() >= max) {
            return refuse(http_error(431, "too_many_headers",
                                     "request line and headers are longer than " + format_size(max) + "; send less"));
        }
        looked = in_.size() - std::min(in_.size(), empty_line.size() - 1);
        const TlsStream::Step got = stream_.read(piece.data(), std::min(piece.size(), max - in_.size()));
        if (got.bytes == 0) return wait(got.wait_for);
        if (in_.empty()) set_deadline(loop_.options().limits.head);
        in_.append(piece.data(), got.bytes);
    }
}

void HttpConnection::take_head(std::size_t size) {
    auto read = read_request_head(std::string_view(in_).substr(0, size));
    if (const auto* refusal = std::get_if<HttpResponse>(&read)) return refuse(*refusal);
    head_ = std::get<RequestHead>(std::move(read));
    with_body_ = head_.method != "HEAD";
    in_.erase(0, size);
    if (const auto refusal = refuse_head()) return refuse(*refusal);
    last_ = --requests_left_ <= 0 || !head_.keeps_alive;
    const HttpService& service = loop_.options().service;
    if (auto feed = service.open_feed ? service.open_feed(request()) : HttpFeed()) return follow(std::move(feed));
    const bool expects = ::strcasecmp(std::string(head_.value("Expect")).c_str(), "100-continue") == 0;
    if (expects && head_.body_bytes > 0 && stream_.write(go_on).bytes != go_on.size()) return close();
    enter(Stage::body);
    set_deadline(loop_.options().limits.body);
    read_body();
}

std::optional<HttpResponse> HttpConnection::refuse_head() {
    const HttpOptions& options = loop_.options();
    auto refusal = options.gate ? options.gate->refuse(head_, loop_.secrets()) : std::nullopt;
    if (refusal) {
        if (refusal->status == 401 && options.service.on_unauthorized) options.service.on_unauthorized(peer_);
        return refusal;
    }
    if (head_.count("Content-Encoding") > 0) {
        return http_error(415, "unsupported_encoding",
                          "a body must not be compressed; send it without Content-Encoding");
    }
    if (head_.body_bytes <= options.limits.body_bytes) return std::nullopt;
    return http_error(413, "too_large",
                      "the body is longer than " + format_size(options.limits.body_bytes) + "; send less");
}

void HttpConnection::read_body() {
    const std::size_t there = std::min(in_.size(), head_.body_bytes - body_.size());
    body_.append(in_, 0, there);
    in_.erase(0, there);
    std::array<char, 16384> piece;
    while (body_.size() < head_.body_bytes) {
        const TlsStream::Step got = stream_.read(piece.data(), std::min(piece.size(), head_.body_bytes - body_.size()));
        body_.append(piece.data(), got.bytes);
        if (got.bytes > 0) continue;
        if (got.wait_for != 0) return wait(got.wait_for);
        return refuse(http_error(400, "bad_request", "the body is shorter than its Content-Length; send all of it"));
    }
    have_answered();
}

HttpRequest HttpConnection::request() const {
    return {head_.method, head_.target, body_, head_.value("If-None-Match"), head_.value("Last-Event-ID")};
}

void HttpConnection::have_answered() {
    enter(Stage::answering);
    const bool taken = loop_.workers_for(request()).run([self = shared_from_this()] {
        const auto answer = answer_of(self->loop_.options().service, self->request());
        self->loop_.post([self, answer] {
            self->send(answer ? *answer
                              : http_error(500, "internal_error", "the request failed; see the gateway's log"));
        });
    });
    if (taken) return;
    loop_.count_turned_away();
    last_ = true;
    out_ = too_busy(with_body_);
    end_answer();
}

void HttpConnection::send(const HttpResponse& answer) {
    if (stage_ == Stage::closed) return;
    loop_.count(answer.status);  // before the client has it
    last_ = last_ || loop_.is_stopping() || loop_.is_crowded();
    out_ = to_bytes(answer, with_body_, last_);
    end_answer();
}

/// Answers and closes. The rest of the input is not read, because it may belong to the refused request.
void HttpConnection::refuse(const HttpResponse& answer) {
    last_ = true;
    send(answer);
}

void HttpConnection::end_answer() {
    enter(Stage::writing);
    written_ = 0;
    set_deadline(loop_.options().limits.answer);
    write();
}

void HttpConnection::write() {
    if (!flush()) {
        if (stage_ == Stage::writing) loop_.limit_writers(*this);
        return;
    }
    out_ = {};
    body_ = {};
    written_ = 0;
    if (last_) {
        // Closing with unread bytes would reset the connection and destroy the answer.
        stream_.end_writing();
        enter(Stage::lingering);
        set_deadline(loop_.options().limits.linger);
        return discard();
    }
    with_body_ = true;
    enter(Stage::head);
    set_deadline(in_.empty() ? loop_.options().limits.idle : loop_.options().limits.head);
    read_head();
}

/// Returns true if everything has been written; otherwise waits or has closed.
bool HttpConnection::flush() {
    while (unread_bytes() > 0) {
        const TlsStream::Step put = stream_.write(std::string_view(out_).substr(written_));
        written_ += put.bytes;
        if (put.bytes > 0) continue;
        wait(put.wait_for);
        return false;
    }
    return true;
}

void HttpConnection::discard() {
    std::array<char, 16384> piece;
    const std::size_t max = stage_ == Stage::following ? max_follower_bytes : max_discarded;
    for (std::size_t i = 0; i < pieces_per_step; ++i) {
        const TlsStream::Step got = stream_.read(piece.data(), piece.size());
        if (got.bytes == 0) return wait(got.wait_for);
        discarded_ += got.bytes;
        if (discarded_ > max) return close();
    }
    wait(POLLIN);
}

void HttpConnection::follow(HttpFeed feed) {
    const HttpLimits& limits = loop_.options().limits;
    loop_.count(200);
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &vanished_ms, sizeof vanished_ms);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &limits.feed_buffer_bytes, sizeof limits.feed_buffer_bytes);
    enter(Stage::following);
    in_ = {};
    feed_ = std::move(feed);
    out_ = feed_head;
    written_ = 0;
    loop_.become_follower(*this);
    set_deadline(limits.stalled);
    discard();
    pump_feed();
}

/// Sends the feed's next piece. The stall timeout starts with each piece, the silence timeout with the last one.
void HttpConnection::pump_feed() {
    bool wrote = false;
    while (stage_ == Stage::following) {
        wrote = wrote || unread_bytes() > 0;
        if (!flush()) return;
        out_.clear();
        written_ = 0;
        for (std::string event = feed_(); !event.empty(); event = feed_()) {
            out_ += event;
            if (out_.size() >= feed_piece_bytes) break;
        }
        if (out_.empty()) break;
        set_deadline(loop_.options().limits.stalled);
    }
    if (stage_ == Stage::following && wrote) set_deadline(loop_.options().limits.comment);
}

}  // namespace holdfast
