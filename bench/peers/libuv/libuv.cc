// A server on libuv in the usual style: a handle for each connection and one read buffer for all, because there is one
// thread. A std::string holds an incomplete line, and a registry the open connections. A signal ends it. Usage:
// ../common/peer.h.
#include <uv.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "../common/peer.h"

namespace {

class Server;

struct Connection {
    uv_tcp_t handle;
    Server* server;
    std::uint64_t id;
    std::string unfinished;
};

void check(int result, const char* what) {
    if (result < 0) peer::die(what, uv_strerror(result));
}

class Server {
public:
    explicit Server(std::uint16_t port);
    void run() { uv_run(loop_, UV_RUN_DEFAULT); }

private:
    static void on_connection(uv_stream_t* listener, int status);
    static void on_alloc(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
    static void on_closed(uv_handle_t* handle);
    static void on_signal(uv_signal_t* signal, int number);

    static constexpr std::size_t landing_bytes = 64 * 1024;

    uv_loop_t* loop_ = uv_default_loop();
    uv_tcp_t listener_{};
    uv_signal_t asked_{};
    std::unique_ptr<char[]> landing_{new char[landing_bytes + simdjson::SIMDJSON_PADDING]};
    std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> registry_;
    std::uint64_t next_id_ = 1;
    peer::Counts counts_;
    peer::ItemReader reader_{counts_};
};

Server::Server(std::uint16_t port) {
    sockaddr_in address{};
    check(uv_ip4_addr("127.0.0.1", port, &address), "address");
    check(uv_tcp_init(loop_, &listener_), "uv_tcp_init");
    listener_.data = this;
    check(uv_tcp_bind(&listener_, reinterpret_cast<const sockaddr*>(&address), 0), "bind");
    uv_os_fd_t fd = -1;
    check(uv_fileno(reinterpret_cast<uv_handle_t*>(&listener_), &fd), "uv_fileno");
    peer::set_inherited_options(fd);
    check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), peer::backlog, on_connection), "listen");
    check(uv_signal_init(loop_, &asked_), "uv_signal_init");
    asked_.data = this;
    check(uv_signal_start(&asked_, on_signal, SIGUSR1), "uv_signal_start");
    peer::announce(fd);
}

void Server::on_connection(uv_stream_t* listener, int status) {
    if (status < 0) return;
    auto* const server = static_cast<Server*>(listener->data);
    auto owned = std::make_unique<Connection>();
    Connection* const connection = owned.get();
    check(uv_tcp_init(server->loop_, &connection->handle), "uv_tcp_init");
    connection->handle.data = connection;
    connection->server = server;
    connection->id = server->next_id_++;
    server->registry_.emplace(connection->id, std::move(owned));
    auto* const stream = reinterpret_cast<uv_stream_t*>(&connection->handle);
    check(uv_accept(listener, stream), "uv_accept");
    ++server->counts_.accepted;
    check(uv_read_start(stream, on_alloc, on_read), "uv_read_start");
}

void Server::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(static_cast<Connection*>(handle->data)->server->landing_.get(), landing_bytes);
}

void Server::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    if (size == 0) return;  // spurious event without data
    auto* const connection = static_cast<Connection*>(stream->data);
    if (size < 0 || !connection->server->reader_.take_arrived({buffer->base, static_cast<std::size_t>(size)},
                                                              connection->unfinished)) {
        uv_close(reinterpret_cast<uv_handle_t*>(stream), on_closed);
    }
}

void Server::on_closed(uv_handle_t* handle) {
    auto* const connection = static_cast<Connection*>(handle->data);
    Server* const server = connection->server;
    server->registry_.erase(connection->id);
    ++server->counts_.closed;
}

void Server::on_signal(uv_signal_t* signal, int) { static_cast<const Server*>(signal->data)->counts_.print(); }

}  // namespace

int main(int argc, char** argv) {
    peer::raise_descriptor_limit();
    Server server(peer::port_argument(argc, argv));
    server.run();
}
