#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "admin/admin_listener.h"
#include "admin/wire.h"
#include "base/unique_fd.h"

namespace holdfast {

/// A client whose request's head has come, or will not: `bytes` begin with it and may go on behind it.
struct Arrival {
    enum class Head : std::uint8_t { whole, late, too_large };

    TlsStream wire;
    Endpoint peer;
    Head head = Head::whole;
    std::string bytes = {};
};

/// Accepts HTTP clients and reads the heads of their requests without a thread for each: one poll(2) loop, whose
/// clients are bounded in number, bytes and time. When it is full, the source with the most clients gives up its
/// oldest. Owns the listener and its thread, from start() to stop().
class RequestLobby {
public:
    struct Limits {
        std::size_t clients = 96;
        std::size_t head_bytes = 16 * 1024;
        std::chrono::milliseconds first_byte{2'000};  ///< from the accept to the first byte, with the TLS handshake
        std::chrono::milliseconds head{3'000};        ///< from the first byte to the end of the head
        std::chrono::milliseconds answer{1'000};      ///< for a client to take an answer
        std::chrono::milliseconds linger{500};        ///< for what a client still sends behind its answer
    };
    /// All are called on the lobby's thread and must not wait.
    struct Hooks {
        /// Returns the answer, after which the connection ends, or nullopt if it has moved the wire out of the arrival.
        std::function<std::optional<std::string>(Arrival& arrival)> on_head;
        /// Makes the client's wire; a wire without a socket refuses the client.
        std::function<TlsStream(UniqueFd socket)> make_wire = {};
        /// Returns what a client is told that gives up its place to a newer one; also counts it.
        std::function<std::string()> on_turned_away = {};
    };

    [[nodiscard]] static Result<std::unique_ptr<RequestLobby>> start(AdminListener listener, Hooks hooks,
                                                                     const Limits& limits);
    RequestLobby(const RequestLobby&) = delete;
    RequestLobby& operator=(const RequestLobby&) = delete;
    ~RequestLobby() { stop(); }

    [[nodiscard]] const AdminListener& listener() const noexcept { return listener_; }
    /// Returns when the thread has ended and all clients are closed; a second call does nothing.
    void stop();

private:
    using Steady = std::chrono::steady_clock;
    using Source = std::array<std::uint8_t, 16>;

    enum class Stage : std::uint8_t { reading, writing, ending };
    struct Client {
        TlsStream wire;
        Endpoint peer;
        Source source{};
        Stage stage = Stage::reading;
        short wait_for = 0;  // poll(2) events
        Steady::time_point deadline;
        std::string bytes = {};  // of the head, or of the answer that is left
        std::size_t looked = 0;
        std::size_t discarded = 0;
        bool gone = false;
    };

    RequestLobby(AdminListener listener, UniqueFd wake, Hooks hooks, const Limits& limits)
        : listener_(std::move(listener)), wake_(std::move(wake)), hooks_(std::move(hooks)), limits_(limits) {}

    void run();
    void turn();
    [[nodiscard]] int timeout() const;
    void accept_some();
    void admit(UniqueFd socket, const Endpoint& peer);
    void make_room();
    void step(Client& client);
    void read(Client& client);
    void write(Client& client);
    void end(Client& client);
    void come_to_head(Client& client, Arrival::Head head);
    void expire(Client& client);
    void sweep_gone();

    AdminListener listener_;
    const UniqueFd wake_;
    const Hooks hooks_;
    const Limits limits_;
    std::vector<std::unique_ptr<Client>> clients_;  // the oldest first
    std::map<Source, std::size_t> by_source_;
    std::optional<Steady::time_point> accept_again_;  // after descriptors ran out
    std::thread thread_;
    bool stopped_ = false;
};

}  // namespace holdfast
