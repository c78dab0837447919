// A server on libevent in the usual style: evconnlistener, a bufferevent for each connection, and lines taken out of
// its input evbuffer. A registry holds the open connections. A signal ends it. Usage: ../common/peer.h.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "../common/peer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

namespace {

class Server;

struct Connection {
    struct Free {
        void operator()(bufferevent* events) const { bufferevent_free(events); }
    };
    Server* server;
    std::uint64_t id;
    std::unique_ptr<bufferevent, Free> events;
};

class Server {
public:
    explicit Server(std::uint16_t port);
    void run() { event_base_dispatch(base_); }

private:
    static void on_accept(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* server);
    static void on_read(bufferevent* events, void* connection);
    static void on_event(bufferevent* events, short what, void* connection);
    static void on_signal(evutil_socket_t, short, void* server);
    void close(Connection& connection);

    event_base* base_ = event_base_new();
    evconnlistener* listener_ = nullptr;
    event* asked_ = nullptr;
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
    bufferevent* const events = bufferevent_socket_new(self->base_, fd, BEV_OPT_CLOSE_ON_FREE);
    if (events == nullptr) peer::die("bufferevent_socket_new", "out of memory");
    auto owned = std::make_unique<Connection>();
    Connection* const connection = owned.get();
    connection->server = self;
    connection->id = self->next_id_++;
    connection->events.reset(events);
    self->registry_.emplace(connection->id, std::move(owned));
    ++self->counts_.accepted;
    bufferevent_setcb(events, on_read, nullptr, on_event, connection);
    if (bufferevent_enable(events, EV_READ) != 0) self->close(*connection);
}

/// Takes all complete lines at once, because evbuffer_readln would allocate for each line.
void Server::on_read(bufferevent* events, void* context) {
    auto* const connection = static_cast<Connection*>(context);
    Server& server = *connection->server;
    evbuffer* const input = bufferevent_get_input(events);
    const std::string_view bytes(reinterpret_cast<const char*>(evbuffer_pullup(input, -1)), evbuffer_get_length(input));
    const std::size_t taken = peer::each_line(bytes, [&server](std::string_view line) { server.reader_.take(line); });
    if (bytes.size() - taken > peer::longest_line) return server.close(*connection);
    evbuffer_drain(input, taken);
}

void Server::on_event(bufferevent*, short what, void* context) {
    auto* const connection = static_cast<Connection*>(context);
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) connection->server->close(*connection);
}

void Server::close(Connection& connection) {
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
