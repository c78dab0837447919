#include "admin/request_lobby.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/start_thread.h"
#include "base/system_failure.h"
#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view empty_line = "\r\n\r\n";
constexpr int accepts_per_turn = 32;  // heads are read in between
constexpr std::size_t most_discarded = 64 * 1024;

/// Priority of the admin threads below those that hold devices: where processor time is short, monitoring waits, not
/// the devices.
constexpr int politeness = 10;

/// An IPv4 address, or the /64 of an IPv6 one, which one host has as a whole.
std::array<std::uint8_t, 16> source_of(const IpAddress& address) {
    std::array<std::uint8_t, 16> source = address.bytes;
    if (!address.is_v4()) std::fill(source.begin() + 8, source.end(), std::uint8_t{0});
    return source;
}

}  // namespace

Result<std::unique_ptr<RequestLobby>> RequestLobby::start(AdminListener listener, Hooks hooks, const Limits& limits) {
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    try {
        if (!wake.valid()) throw_errno("eventfd");
        auto made = std::unique_ptr<RequestLobby>(
            new RequestLobby(std::move(listener), std::move(wake), std::move(hooks), limits));
        made->thread_ = start_thread("admin-lobby", [lobby = made.get()] { lobby->run(); });
        return made;
    } catch (const std::system_error& failure) {
        return Error{"cannot serve the admin API: " + describe(failure)};
    }
}

void RequestLobby::stop() {
    if (std::exchange(stopped_, true) || !thread_.joinable()) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
    clients_.clear();
    listener_.close();
}

void RequestLobby::run() {
    ::setpriority(PRIO_PROCESS, 0, politeness);  // of this thread: setpriority(2)
    for (;;) {
        std::uint64_t stops = 0;
        if (::read(wake_.get(), &stops, sizeof stops) > 0) return;
        try {
            turn();
        } catch (const std::exception&) {  // no memory: the clients' fault, and theirs to ask again
            clients_.clear();
            by_source_.clear();
            pollfd woken{wake_.get(), POLLIN, 0};
            ::poll(&woken, 1, 50);
        }
    }
}

int RequestLobby::timeout() const {
    if (clients_.empty() && !accept_again_) return -1;
    Steady::time_point next = accept_again_.value_or(Steady::time_point::max());
    for (const auto& client : clients_) next = std::min(next, client->deadline);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Steady::now());
    return static_cast<int>(std::clamp(left, 0ms, 10'000ms).count());
}

void RequestLobby::turn() {
    std::vector<pollfd> watched;
    watched.reserve(clients_.size() + 2);
    watched.push_back({wake_.get(), POLLIN, 0});
    watched.push_back({accept_again_ ? -1 : listener_.descriptor(), POLLIN, 0});
    for (const auto& client : clients_) watched.push_back({client->wire.socket(), client->wait_for, 0});
    ::poll(watched.data(), watched.size(), timeout());
    const std::size_t known = clients_.size();
    // The newest first: a crowd that makes each step dear does not keep who comes now.
    for (std::size_t i = known; i-- > 0;) {
        if (watched[i + 2].revents != 0) step(*clients_[i]);
    }
    const auto now = Steady::now();
    for (const auto& client : clients_) {
        if (!client->gone && now >= client->deadline) expire(*client);
    }
    sweep_gone();
    if (accept_again_ && now >= *accept_again_) accept_again_.reset();
    if (watched[1].revents != 0) accept_some();
}

void RequestLobby::accept_some() {
    for (int i = 0; i < accepts_per_turn; ++i) {
        SocketAddress peer;
        UniqueFd socket(::accept4(listener_.descriptor(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (socket.valid()) {
            admit(std::move(socket), to_endpoint(peer));
            continue;
        }
        // No descriptor or no memory: the client waits in the backlog.
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) accept_again_ = Steady::now() + 50ms;
        if (errno != ECONNABORTED) break;
    }
    sweep_gone();
}

void RequestLobby::admit(UniqueFd socket, const Endpoint& peer) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    TlsStream wire = hooks_.make_wire ? hooks_.make_wire(std::move(socket)) : TlsStream(std::move(socket));
    if (wire.socket() < 0) return;
    sweep_gone();
    if (clients_.size() >= limits_.clients) make_room();
    auto client = std::make_unique<Client>(Client{.wire = std::move(wire), .peer = peer, .deadline = {}});
    client->source = source_of(peer.address);
    client->deadline = Steady::now() + limits_.first_byte;
    ++by_source_[client->source];
    clients_.push_back(std::move(client));
    step(*clients_.back());  // its request may be there already
}

/// The oldest client of the source that has most of them goes; where all have as many, the oldest of all.
void RequestLobby::make_room() {
    std::size_t max = 0;
    for (const auto& [source, count] : by_source_) max = std::max(max, count);
    const auto victim = std::find_if(clients_.begin(), clients_.end(),
                                     [&](const auto& client) { return by_source_[client->source] == max; });
    if (victim == clients_.end()) return;
    if (hooks_.on_turned_away && (*victim)->stage == Stage::reading)
        static_cast<void>((*victim)->wire.write(hooks_.on_turned_away()));
    (*victim)->gone = true;
    sweep_gone();
}

void RequestLobby::step(Client& client) {
    switch (client.stage) {
        case Stage::reading:
            return read(client);
        case Stage::writing:
            return write(client);
        case Stage::ending:
            return end(client);
    }
}

void RequestLobby::read(Client& client) {
    std::array<char, 4096> piece;
    const TlsStream::Step got =
        client.wire.read(piece.data(), std::min(piece.size(), limits_.head_bytes - client.bytes.size()));
    client.wait_for = got.bytes > 0 ? short{POLLIN} : got.wait_for;
    if (got.bytes == 0) {
        client.gone = got.wait_for == 0;
        return;
    }
    if (client.bytes.empty()) client.deadline = Steady::now() + limits_.head;
    client.bytes.append(piece.data(), got.bytes);
    const std::size_t from = client.looked < empty_line.size() ? 0 : client.looked - empty_line.size() + 1;
    client.looked = client.bytes.size();
    if (client.bytes.find(empty_line, from) != std::string::npos) return come_to_head(client, Arrival::Head::whole);
    if (client.bytes.size() >= limits_.head_bytes) return come_to_head(client, Arrival::Head::too_large);
    // Under TLS more may have been read from the socket than fits: poll(2) would not report it.
    if (got.bytes == piece.size()) read(client);
}

void RequestLobby::come_to_head(Client& client, Arrival::Head head) {
    Arrival arrival{
        .wire = std::move(client.wire), .peer = client.peer, .head = head, .bytes = std::move(client.bytes)};
    auto answer = hooks_.on_head(arrival);
    if (!answer) {
        client.gone = true;
        return;
    }
    client.wire = std::move(arrival.wire);
    client.bytes = std::move(*answer);
    client.stage = Stage::writing;
    client.deadline = Steady::now() + limits_.answer;
    write(client);
}

void RequestLobby::write(Client& client) {
    while (!client.bytes.empty()) {
        const TlsStream::Step put = client.wire.write(client.bytes);
        client.bytes.erase(0, put.bytes);
        if (put.bytes > 0) continue;
        client.wait_for = put.wait_for;
        client.gone = put.wait_for == 0;
        return;
    }
    // Closing with unread bytes would destroy the answer on its way.
    client.wire.end_writing();
    client.stage = Stage::ending;
    client.wait_for = POLLIN;
    client.deadline = Steady::now() + limits_.linger;
    end(client);
}

void RequestLobby::end(Client& client) {
    std::array<char, 4096> piece;
    const TlsStream::Step got = client.wire.read(piece.data(), piece.size());
    client.discarded += got.bytes;
    client.gone = (got.bytes == 0 && got.wait_for == 0) || client.discarded > most_discarded;
    if (got.wait_for != 0) client.wait_for = got.wait_for;
}

void RequestLobby::expire(Client& client) {
    if (client.stage != Stage::reading || client.bytes.empty()) {
        client.gone = true;
        return;
    }
    come_to_head(client, Arrival::Head::late);
}

void RequestLobby::sweep_gone() {
    const auto is_gone = [this](const std::unique_ptr<Client>& client) {
        if (!client->gone) return false;
        const auto counted = by_source_.find(client->source);
        if (--counted->second == 0) by_source_.erase(counted);
        return true;
    };
    clients_.erase(std::remove_if(clients_.begin(), clients_.end(), is_gone), clients_.end());
}

}  // namespace holdfast
