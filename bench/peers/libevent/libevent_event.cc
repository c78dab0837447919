// A server on libevent's bare events in the style that saves memory; libevent.cc is the convenient one. Uses an
// evconnlistener, an event for each connection, and recv into one buffer for all. A signal ends the process. Usage:
// ../common/peer.h.
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "../common/peer.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

namespace {

class Server;

struct Connection {
    struct Free {
        void operator()(event* readable) const {
            const evutil_socket_t fd = event_get_fd(readable);
            event_free(readable);
            evutil_closesocket(fd);
        }
    };
    Server* server;
    std::uint64_t id;
    std::unique_ptr<event, Free> readable;
    std::string unfinished;
};

class Server {
public:
    explicit Server(std::uint16_t port);
    void run() { event_base_dispatch(base_); }

private:
    static void on_accept(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* server);
    static void on_readable(evutil_socket_t fd, short, void* connection);
    static void on_signal(evutil_socket_t, short, void* server);
    void close(const Connection& connection);

    static constexpr std::size_t landing_bytes = 64 * 1024;

    event_base* base_ = event_base_new();
    evconnlistener* listener_ = nullptr;
    event* asked_ = nullptr;
    std::unique_ptr<char[]> landing_{new char[landing_bytes + simdjson::SIMDJSON_PADDING]};
    std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> registry_;
    std::uint64_t next_id_ = 1;
    peer::Counts counts_;
    peer::ItemReader reader_{counts_};
};

Server::Server(std::uint16_t port) {
    if (base_ == nullptr) peer::die("event_base_new", "no event loop");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = evconnlistener_new_bind(base_, on_accept, this,
                                        LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                        peer::backlog, reinterpret_cast<sockaddr*>(&address), sizeof address);
    if (listener_ == nullptr) peer::die("listen", std::strerror(errno));
    peer::set_inherited_options(evconnlistener_get_fd(listener_));
    asked_ = evsignal_new(base_, SIGUSR1, on_signal, this);
    if (asked_ == nullptr || event_add(asked_, nullptr) != 0) peer::die("evsignal", "cannot be added");
    peer::announce(evconnlistener_get_fd(listener_));
}

void Server::on_accept(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* server) {
    auto* const self = static_cast<Server*>(server);
    auto owned = std::make_unique<Connection>();
    Connection* const connection = owned.get();
    connection->server = self;
    connection->id = self->next_id_++;
    connection->readable.reset(event_new(self->base_, fd, EV_READ | EV_PERSIST, on_readable, connection));
    if (connection->readable == nullptr) peer::die("event_new", "out of memory");
    self->registry_.emplace(connection->id, std::move(owned));
    ++self->counts_.accepted;
    if (event_add(connection->readable.get(), nullptr) != 0) self->close(*connection);
}

void Server::on_readable(evutil_socket_t fd, short, void* context) {
    auto* const connection = static_cast<Connection*>(context);
    Server& server = *connection->server;
    const ssize_t size = ::recv(fd, server.landing_.get(), landing_bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 ||
        !server.reader_.take_arrived({server.landing_.get(), static_cast<std::size_t>(size)}, connection->unfinished)) {
        server.close(*connection);
    }
}

void Server::close(const Connection& connection) {
    ++counts_.closed;
    registry_.erase(connection.id);
}

void Server::on_signal(evutil_socket_t, short, void* server) { static_cast<const Server*>(server)->counts_.print(); }

}  // namespace

int main(int argc, char** argv) {
    peer::raise_descriptor_limit();
    Server server(peer::port_argument(argc, argv));
    server.run();
}
