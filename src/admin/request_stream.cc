#include "admin/request_stream.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

/// A wait notices within this time that the server stops or that others have come to wait.
constexpr std::chrono::milliseconds glance = 100ms;

constexpr std::string_view empty_line = "\r\n\r\n";

/// Of what a refused client still sends, so much is read and thrown away.
constexpr std::size_t most_discarded = 32 * 1024 * 1024;

}  // namespace

RequestStream::RequestStream(TlsStream wire, Endpoint peer, const StreamLimits& limits, const Crowd& crowd,
                             std::string_view arrived)
    : wire_(std::move(wire)),
      peer_(peer),
      limits_(limits),
      crowd_(crowd),
      end_(arrived.copy(buffer_.data(), buffer_.size())) {}

RequestStream::Head RequestStream::wait_for_head() {
    answering_ = false;
    readable_ = 0;
    if (begin_ == end_ && !fill(Steady::now(), limits_.idle)) return Head::none;
    request_began_ = Steady::now();
    for (std::size_t looked = 0;;) {
        const std::string_view there(buffer_.data() + begin_, end_ - begin_);
        const std::size_t end = there.find(empty_line, looked);
        if (end != std::string_view::npos) {
            readable_ = head_bytes_ = end + empty_line.size();
            return Head::whole;
        }
        if (there.size() == buffer_.size()) return Head::too_large;
        looked = there.size() < empty_line.size() ? 0 : there.size() - empty_line.size() + 1;
        if (!fill(request_began_, limits_.request))
            return in_time(request_began_, limits_.request) ? Head::none : Head::late;
    }
}

void RequestStream::finish() {
    wire_.end_writing();
    const Time began = Steady::now();
    for (std::size_t discarded = 0; discarded < most_discarded; discarded += end_) {
        begin_ = end_ = 0;
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
    if (!answering_) answer_began_ = Steady::now();
    answering_ = true;
    while (size > 0) {
        const TlsStream::Step step = wire_.write({from, size});
        if (step.bytes > 0) return static_cast<ssize_t>(step.bytes);
        if (step.wait_for == 0 || !wait_for(step.wait_for, answer_began_, limits_.response)) return -1;
    }
    return 0;
}

bool RequestStream::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write(bytes.data(), bytes.size());
        if (written < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

void RequestStream::get_remote_ip_and_port(std::string& ip, int& port) const {
    ip = to_string(peer_.address);
    port = peer_.port;
}

void RequestStream::get_local_ip_and_port(std::string& ip, int& port) const {
    ip.clear();
    port = 0;
}

bool RequestStream::in_time(Time since, std::chrono::milliseconds allowed) const {
    const auto limit = crowd_.dense() ? std::min(allowed, limits_.crowded) : allowed;
    return !crowd_.stopping && Steady::now() < since + limit;
}

bool RequestStream::wait_for(short events, Time since, std::chrono::milliseconds allowed) const {
    while (in_time(since, allowed)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(since + allowed - Steady::now());
        pollfd watched{wire_.socket(), events, 0};
        const int ready = ::poll(&watched, 1, static_cast<int>(std::clamp(left, 0ms, glance).count()));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
    return false;
}

/// More bytes behind those that are there; the buffer is not full.
bool RequestStream::fill(Time since, std::chrono::milliseconds allowed) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    // Also when bytes keep coming: a client that sends one now and then must not outlive its time.
    while (in_time(since, allowed)) {
        const TlsStream::Step step = wire_.read(buffer_.data() + end_, buffer_.size() - end_);
        if (step.bytes > 0) {
            end_ += step.bytes;
            return true;
        }
        if (step.wait_for == 0 || !wait_for(step.wait_for, since, allowed)) return false;
    }
    return false;
}

}  // namespace holdfast
