#pragma once

#include <httplib.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>

#include "admin/wire.h"

namespace holdfast {

/// How much of an admin thread one client may take.
struct StreamLimits {
    std::chrono::milliseconds idle{2'000};       ///< from one request's end to the next one's first byte; for TLS's
                                                 ///< handshake too
    std::chrono::milliseconds request{3'000};    ///< from a request's first byte to its last
    std::chrono::milliseconds response{10'000};  ///< to take an answer
    std::chrono::milliseconds linger{500};       ///< for what a client still sends when it has its last answer
    std::chrono::milliseconds crowded{1'000};    ///< each of the above while others wait and every thread is taken
};

/// What the admin threads share. Any thread.
struct Crowd {
    std::size_t threads = 0;
    std::atomic<std::size_t> serving = 0;  ///< threads that have a client
    std::atomic<std::size_t> waiting = 0;  ///< clients that have no thread yet
    std::atomic<bool> stopping = false;

    /// Clients wait because no thread is free, not just until one has woken up.
    [[nodiscard]] bool dense() const noexcept { return waiting > 0 && serving >= threads; }
};

/// What stands before a request's body: request line and headers together.
inline constexpr std::size_t max_head_bytes = 16 * 1024;

/// One admin client's connection as httplib reads and writes it, with limits on a whole request where httplib has
/// them for single reads only. Owns the socket; used by one thread at a time; the destructor closes.
class RequestStream final : public httplib::Stream {
public:
    /// `arrived` was read from the wire already: at most max_head_bytes.
    RequestStream(TlsStream wire, Endpoint peer, const StreamLimits& limits, const Crowd& crowd,
                  std::string_view arrived = {});

    enum class Head { whole, none, late, too_large };  ///< none: the client has gone, or said nothing
    /// Waits for a request up to and with its empty line.
    [[nodiscard]] Head wait_for_head();
    /// That request's bytes, until read() is called.
    [[nodiscard]] std::string_view head() const { return {buffer_.data() + begin_, head_bytes_}; }
    /// Between a request's headers and its body: httplib reads so many bytes more, then the end.
    void expect_body(std::size_t bytes) { readable_ = bytes; }
    /// Whether httplib has had the whole body; if not, what follows on the connection is not a request.
    [[nodiscard]] bool body_was_read() const { return readable_ == 0; }
    /// All of `bytes`, if the client takes them in time.
    bool write_all(std::string_view bytes);
    /// Sends the end and waits for the client's, since closing with unread bytes would destroy the answer.
    void finish();

    bool is_readable() const override { return true; }
    bool is_writable() const override { return true; }
    ssize_t read(char* to, std::size_t size) override;
    ssize_t write(const char* from, std::size_t size) override;
    void get_remote_ip_and_port(std::string& ip, int& port) const override;
    void get_local_ip_and_port(std::string& ip, int& port) const override;
    socket_t socket() const override { return wire_.socket(); }
    [[nodiscard]] TlsStream& wire() { return wire_; }
    [[nodiscard]] const Endpoint& peer() const { return peer_; }

private:
    using Time = std::chrono::steady_clock::time_point;

    [[nodiscard]] bool in_time(Time since, std::chrono::milliseconds allowed) const;
    bool wait_for(short events, Time since, std::chrono::milliseconds allowed) const;
    bool fill(Time since, std::chrono::milliseconds allowed);

    TlsStream wire_;
    Endpoint peer_;
    const StreamLimits& limits_;
    const Crowd& crowd_;
    std::array<char, max_head_bytes> buffer_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t head_bytes_ = 0;
    std::size_t readable_ = 0;  // bytes that httplib may still have of this request
    Time request_began_;
    Time answer_began_;
    bool answering_ = false;
};

}  // namespace holdfast
