// Sends several requests in sequence, as a client does, over a socket and through heads, gate, targets and queries.
// Without a token, no request makes the gateway act or reveal anything. Every answer is complete.
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/admin_server.h"
#include "base/check.h"
#include "base/unique_fd.h"
#include "tcp/sockaddr.h"
#include "testing/fake_control_plane.h"

namespace {

using namespace holdfast;
using namespace std::chrono_literals;

constexpr std::string_view write_token = "fuzz-write-token-0001";
constexpr std::string_view read_token = "fuzz-read-token-0001";

/// The client has shown a token that permits reads or control. The server's threads read these. A thread may still work
/// on the input before, whose connection has timed out on a busy machine.
std::atomic<bool> may_read = false;
std::atomic<bool> may_act = false;
std::atomic<bool> might_read = false;  // in the input before
std::atomic<bool> might_act = false;

class Guarded final : public ControlPlane {
public:
    ServerStatus status() override { return gateway_.status(); }  // /readyz uses it too
    ConnectionPage list(const ConnectionQuery& query) override { return read(), gateway_.list(query); }
    std::optional<ConnectionDetail> show(ConnectionId id) override { return read(), gateway_.show(id); }
    ClosedPage closed(const ClosedQuery& query) override { return read(), gateway_.closed(query); }
    std::vector<CensusEntry> census() override { return read(), gateway_.census(); }
    BadItemPage bad_items(const BadItemQuery& query) override { return read(), gateway_.bad_items(query); }
    std::optional<ConnectionId> find(std::string_view device) override { return read(), gateway_.find(device); }
    std::optional<ProbeAnswer> probe(ConnectionId id, std::chrono::milliseconds timeout) override {
        return act(), gateway_.probe(id, timeout);
    }
    ProbeSummary probe_all(const std::optional<Prefix>& peer, std::chrono::milliseconds timeout) override {
        return act(), gateway_.probe_all(peer, timeout);
    }
    bool close(ConnectionId id) override { return act(), gateway_.close(id); }
    std::size_t close_all(const Prefix& peer) override { return act(), gateway_.close_all(peer); }
    Result<DrainStatus> drain(const DrainOrder& order) override { return act(), gateway_.drain(order); }
    std::optional<DrainStatus> cancel_drain() override { return act(), gateway_.cancel_drain(); }
    SendOutcome send(ConnectionId id, std::string_view json) override { return act(), gateway_.send(id, json); }
    Delivery deliver(ConnectionId id, std::string_view json, std::chrono::milliseconds timeout) override {
        return act(), gateway_.deliver(id, json, timeout);
    }

private:
    static void read() { HOLDFAST_CHECK(may_read || might_read); }
    static void act() { HOLDFAST_CHECK(may_act || might_act); }

    FakeControlPlane gateway_;
};

/// Reads until the server closes.
std::string take_all(int socket) {
    std::string all;
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(socket, piece, sizeof piece, 0)) > 0;) {
        all.append(piece, static_cast<std::size_t>(got));
    }
    return all;
}

/// Checks the answers in sequence. Each has its whole body, except the last, which the timeout for a slow client may
/// cut.
void check_answers(std::string_view bytes) {
    while (!bytes.empty()) {
        if (bytes.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) {
            bytes.remove_prefix(25);
            continue;
        }
        HOLDFAST_CHECK(bytes.starts_with("HTTP/1.1 "));
        if (bytes.find("text/event-stream") < bytes.find("\r\n\r\n")) return;  // a feed has no length, and comes last
        const std::size_t end = bytes.find("\r\n\r\n");
        if (end == std::string_view::npos) return;
        const std::string_view head = bytes.substr(0, end + 2);
        constexpr std::string_view length = "\r\nContent-Length: ";
        const std::size_t at = head.find(length);
        HOLDFAST_CHECK(at != std::string_view::npos && head.find(length, at + 1) == std::string_view::npos);
        std::size_t body = std::stoul(std::string(head.substr(at + length.size(), 12)));
        bytes.remove_prefix(end + 4);
        if (bytes.starts_with("HTTP/1.1 ")) body = 0;  // the answer to HEAD
        bytes.remove_prefix(std::min(body, bytes.size()));
    }
}

DoorSecrets secrets() {
    return {.tokens = std::make_shared<AdminTokens>(std::vector<std::string>{std::string(write_token)},
                                                    std::vector<std::string>{std::string(read_token)})};
}

/// Connects. Closing resets the connection, so that no port waits (tcp(7), SO_LINGER).
UniqueFd connect_to(const Endpoint& server) {
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const linger at_once{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const SocketAddress address = to_socket_address(server);
    HOLDFAST_CHECK(::connect(client.get(), address.get(), address.length) == 0);
    return client;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Guarded gateway;
    static EventHub hub;
    static AdminMeter meter;
    static const auto server =
        AdminServer::start("127.0.0.1:0", gateway, {.max_message_bytes = 256, .hub = &hub, .meter = &meter},
                           {.hosts = {"gateway.example"}, .secrets = secrets(), .meter = &meter});
    HOLDFAST_CHECK(server);

    const std::string_view input(reinterpret_cast<const char*>(data), size);
    might_act = may_act.load();
    might_read = may_read.load();
    may_act = input.find(write_token) != std::string_view::npos;
    may_read = may_act || input.find(read_token) != std::string_view::npos;
    const UniqueFd client = connect_to(server.value()->address());
    static_cast<void>(::send(client.get(), input.data(), input.size(), MSG_NOSIGNAL));  // it may be refused before
    ::shutdown(client.get(), SHUT_WR);
    check_answers(take_all(client.get()));
    return 0;
}
