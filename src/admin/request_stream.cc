#include "admin/request_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A wait notices within this time that the server stops or that others have come to wait.
constexpr std::chrono::milliseconds glance = 100ms;

/// Of what a refused client still sends, so much is read and thrown away.
constexpr std::size_t most_discarded = 32 * 1024 * 1024;

}  // namespace

RequestStream::RequestStream(UniqueFd socket, Endpoint peer, const StreamLimits& limits, const Crowd& crowd)
    : socket_(std::move(socket)), peer_(peer), limits_(limits), crowd_(crowd) {}

bool RequestStream::wait_for_request() {
    answering_ = false;
    readable_ = limits_.header_bytes;
    if (begin_ == end_ && !fill(Clock::now(), limits_.idle)) return false;
    request_began_ = Clock::now();
    return true;
}

void RequestStream::finish() {
    ::shutdown(socket_.get(), SHUT_WR);
    const Time began = Clock::now();
    for (std::size_t discarded = 0; discarded < most_discarded; discarded += end_) {
        if (!fill(began, crowd_.dense() ? glance : limits_.linger)) return;
    }
}

ssize_t RequestStream::read(char* to, std::size_t size) {
    size = std::min(size, readable_);
    if (size == 0) return 0;
    if (begin_ == end_ && !fill(request_began_, limits_.request)) return -1;
    size = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.data() + begin_, size);
    begin_ += size;
    readable_ -= size;
    return static_cast<ssize_t>(size);
}

ssize_t RequestStream::write(const char* from, std::size_t size) {
    if (mute_) return static_cast<ssize_t>(size);
    if (!answering_) answer_began_ = Clock::now();
    answering_ = true;
    for (;;) {
        const ssize_t sent = ::send(socket_.get(), from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return sent;
        if (errno == EINTR) continue;
        if (errno != EAGAIN || !wait_for(POLLOUT, answer_began_, limits_.response)) return -1;
    }
}

void RequestStream::get_remote_ip_and_port(std::string& ip, int& port) const {
    ip = to_string(peer_.address);
    port = peer_.port;
}

void RequestStream::get_local_ip_and_port(std::string& ip, int& port) const {
    ip.clear();
    port = 0;
}

bool RequestStream::wait_for(short events, Time since, std::chrono::milliseconds allowed) const {
    while (!crowd_.stopping) {
        const auto limit = crowd_.dense() ? std::min(allowed, limits_.crowded) : allowed;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(since + limit - Clock::now());
        if (left <= 0ms) return false;
        pollfd watched{socket_.get(), events, 0};
        const int ready = ::poll(&watched, 1, static_cast<int>(std::min(left, glance).count()));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
    return false;
}

bool RequestStream::fill(Time since, std::chrono::milliseconds allowed) {
    begin_ = end_ = 0;
    for (;;) {
        // Also when bytes keep coming: a client that sends one now and then must not outlive its time.
        if (!wait_for(POLLIN, since, allowed)) return false;
        const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (got > 0) {
            end_ = static_cast<std::size_t>(got);
            return true;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return false;
    }
}

}  // namespace holdfast
