#include "app/http_exchange.h"

#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds patience{10};
// A gateway ends a connection that has been quiet for 0.3 s while others wait for it.
constexpr milliseconds longest_quiet{200};
constexpr std::size_t most_head_bytes = 16 * 1024;
constexpr std::size_t most_body_bytes = 16 * 1024 * 1024;  // 10,000 connections are a quarter of it

bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <typename T>
bool read_number(std::string_view text, T& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

int begin_connect(int fd, const Endpoint& to) {
    const std::uint16_t port = htons(to.port);
    if (to.address.is_v4()) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = port;
        std::memcpy(&at.sin_addr, to.address.bytes.data() + 12, sizeof at.sin_addr);
        return ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    }
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_port = port;
    std::memcpy(&at.sin6_addr, to.address.bytes.data(), sizeof at.sin6_addr);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
}

bool read_status(std::string_view line, int& status) {
    if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ') return false;
    if (line.size() > 12 && line[12] != ' ') return false;
    return read_number(line.substr(9, 3), status) && status >= 200;
}

}  // namespace

std::optional<HttpHead> parse_http_head(std::string_view head) {
    HttpHead read;
    bool sized = false;
    for (bool first = true; !head.empty(); first = false) {
        const std::size_t end = head.find("\r\n");
        if (end == std::string_view::npos) return {};
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (first) {
            if (!read_status(line, read.status)) return {};
            continue;
        }
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return {};
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (same_word(name, "Transfer-Encoding")) return {};
        if (same_word(name, "Connection")) read.last = same_word(value, "close");
        if (!same_word(name, "Content-Length")) continue;
        if (sized || !read_number(value, read.body_bytes)) return {};
        sized = true;
    }
    return sized ? std::optional(read) : std::nullopt;
}

HttpExchange::HttpExchange(const Endpoint& to, std::string token)
    : to_(to), token_(std::move(token)), broken_off_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    HOLDFAST_CHECK(broken_off_.valid());
}

void HttpExchange::break_off() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(broken_off_.get(), &one, sizeof one);
}

Result<HttpAnswer> HttpExchange::ask(std::string_view method, std::string_view target, std::string_view body) {
    std::string request = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
    if (method != "GET") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (!token_.empty()) request += "Authorization: Bearer " + token_ + "\r\n";
    request.append("\r\n").append(body);
    deadline_ = clock_.steady() + patience;
    if (clock_.steady() - last_use_ > longest_quiet) fd_.reset();
    HttpAnswer answer;
    while (true) {
        const bool kept = fd_.valid();
        std::string trouble = kept ? "" : connect();
        bool silent = true;  // not a byte came
        if (trouble.empty()) trouble = send(request);
        if (trouble.empty()) trouble = receive(answer, silent);
        last_use_ = clock_.steady();
        if (trouble.empty()) return answer;
        fd_.reset();
        // The server may have ended a kept connection just before it was used again.
        if (!kept || !silent) return Error{trouble};
    }
}

/// Empty once connected, else what is wrong; so with those below.
std::string HttpExchange::connect() {
    received_.clear();
    fd_.reset(::socket(to_.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_.valid()) return std::strerror(errno);
    if (begin_connect(fd_.get(), to_) == 0) return {};
    if (errno != EINPROGRESS) return std::strerror(errno);
    if (std::string trouble = wait(POLLOUT); !trouble.empty()) return trouble;
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    return error == 0 ? "" : std::strerror(error);
}

std::string HttpExchange::wait(short events) {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - clock_.steady());
    std::array<pollfd, 2> watched{pollfd{.fd = fd_.get(), .events = events, .revents = 0},
                                  pollfd{.fd = broken_off_.get(), .events = POLLIN, .revents = 0}};
    ::poll(watched.data(), watched.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (watched[1].revents != 0) return "it was broken off";
    if (watched[0].revents != 0) return {};
    return clock_.steady() < deadline_ ? "" : "it took longer than 10 s";
}

std::string HttpExchange::send(std::string_view request) {
    while (!request.empty()) {
        const ssize_t sent = ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            request.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) return std::strerror(errno);
        if (std::string trouble = wait(POLLOUT); !trouble.empty()) return trouble;
    }
    return {};
}

std::string HttpExchange::receive_more() {
    std::array<char, 64 * 1024> piece;
    while (true) {
        if (std::string trouble = wait(POLLIN); !trouble.empty()) return trouble;
        const ssize_t got = ::recv(fd_.get(), piece.data(), piece.size(), 0);
        if (got > 0) {
            received_.append(piece.data(), static_cast<std::size_t>(got));
            return {};
        }
        if (got == 0) return "it closed the connection before its answer was whole";
        if (errno != EAGAIN && errno != EINTR) return std::strerror(errno);
    }
}

std::string HttpExchange::receive(HttpAnswer& answer, bool& silent) {
    received_.clear();
    std::size_t end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
        if (received_.size() > most_head_bytes) return "it is not HTTP as a gateway speaks it";
        if (std::string trouble = receive_more(); !trouble.empty()) return trouble;
        silent = false;
    }
    const auto head = parse_http_head(std::string_view(received_).substr(0, end + 2));
    if (!head || head->body_bytes > most_body_bytes) return "it is not HTTP as a gateway speaks it";
    received_.erase(0, end + 4);
    while (received_.size() < head->body_bytes) {
        if (std::string trouble = receive_more(); !trouble.empty()) return trouble;
    }
    if (received_.size() > head->body_bytes) return "it answered more than it was asked";
    answer.status = head->status;
    answer.body = std::exchange(received_, {});
    if (head->last) fd_.reset();
    return {};
}

}  // namespace holdfast
