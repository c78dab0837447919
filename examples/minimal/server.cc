// A gateway in your own program: prints connections, their items and the reasons of their ends.
#include <csignal>
#include <cstdio>
#include <string>

#include <holdfast/server.h>

class Printer final : public holdfast::EventHandler {
    void on_connected(const holdfast::ConnectedEvent& event) override {
        std::printf("%s connected\n", to_string(event.peer).c_str());
    }
    void on_item(const holdfast::ItemEvent& event) override {
        std::printf("%s sent %.*s\n", to_string(event.peer).c_str(), static_cast<int>(event.item.size()),
                    event.item.data());
    }
    void on_closed(const holdfast::ClosedEvent& event) override {
        std::printf("%s left: %s\n", to_string(event.peer).c_str(), std::string(to_string(event.reason)).c_str());
    }
};

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);

    holdfast::ServerConfig config;
    config.listeners[0].address = argc > 1 ? argv[1] : "127.0.0.1:7000";
    const auto server = holdfast::Server::start(config, [](unsigned) { return std::make_unique<Printer>(); });
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    std::printf("listening on %s\n", to_string(server.value()->status().listeners[0].bound).c_str());

    int signal = 0;
    sigwait(&stop, &signal);
    server.value()->drain();
    server.value()->wait();
}
