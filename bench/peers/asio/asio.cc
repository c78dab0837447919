// A server on standalone Asio in the usual style. Handlers keep the sessions alive by shared_ptr, async_read_until
// reads into a growing string, and a registry holds the open sessions. A signal ends it. Usage: ../common/peer.h.
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "../common/peer.h"

#include <asio.hpp>

namespace {

using asio::ip::tcp;

class Session;

struct World {
    std::unordered_set<std::shared_ptr<Session>> registry;
    peer::Counts counts;
    peer::ItemReader reader{counts};
};

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(tcp::socket socket, World& world) : socket_(std::move(socket)), world_(world) {}

    void start() {
        world_.registry.insert(shared_from_this());
        read();
    }

private:
    void read() {
        asio::async_read_until(socket_, asio::dynamic_buffer(input_, peer::longest_line), '\n',
                               [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                                   if (error) return self->end();
                                   self->take_lines();
                                   self->read();
                               });
    }

    /// Takes all complete lines, not only the first, which saves turns through the scheduler.
    void take_lines() {
        input_.erase(0, peer::each_line(input_, [this](std::string_view line) { world_.reader.take(line); }));
    }

    void end() {
        asio::error_code ignored;
        socket_.close(ignored);
        ++world_.counts.closed;
        world_.registry.erase(shared_from_this());
    }

    tcp::socket socket_;
    World& world_;
    std::string input_;
};

class Server {
public:
    /// Opens the acceptor, which listens from here on with a backlog of SOMAXCONN.
    explicit Server(std::uint16_t port) : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), port), true) {
        peer::set_inherited_options(acceptor_.native_handle());
        report_on_signal();
        accept();
        peer::announce(acceptor_.native_handle());
    }

    void run() { io_.run(); }

private:
    void accept() {
        acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
            if (!error) {
                ++world_.counts.accepted;
                std::make_shared<Session>(std::move(socket), world_)->start();
            }
            accept();
        });
    }

    void report_on_signal() {
        asked_.async_wait([this](const asio::error_code& error, int) {
            if (error) return;
            world_.counts.print();
            report_on_signal();
        });
    }

    World world_;  // outlives the handlers that the context still holds
    asio::io_context io_{1};
    tcp::acceptor acceptor_;
    asio::signal_set asked_{io_, SIGUSR1};
};

}  // namespace

int main(int argc, char** argv) {
    peer::raise_descriptor_limit();
    try {
        Server server(peer::port_argument(argc, argv));
        server.run();
    } catch (const std::exception& error) {
        peer::die("asio", error.what());
    }
}
