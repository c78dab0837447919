// A relay: passes each item on to the device that its field "to" names, on whichever reactor that is. Devices say
// {"hello":{"id":"phone-1"}} first.
//   relay 127.0.0.1:7000
#include <csignal>
#include <cstdio>
#include <string>

#include <holdfast/server.h>

class Relay final : public holdfast::EventHandler {
    void on_start(holdfast::ReactorContext& context) override { context_ = &context; }
    void on_connected(const holdfast::ConnectedEvent&) override {}
    void on_closed(const holdfast::ClosedEvent&) override {}
    void on_item(const holdfast::ItemEvent& event) override {
        const auto to = context_->find(event.key);
        if (!to) {
            context_->send(event.conn, R"({"error":"no such device is connected"})");
            return;
        }
        context_->post(
            *to, [to = *to, item = std::string(event.item)](holdfast::ReactorContext& there) { there.send(to, item); });
    }

    holdfast::ReactorContext* context_ = nullptr;
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
    config.item.key = "to";
    config.reactors = 2;
    const auto server = holdfast::Server::start(config, [](unsigned) { return std::make_unique<Relay>(); });
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    std::printf("listening on %s\n", to_string(server.value()->status().listeners[0].bound).c_str());
    int signal = 0;
    sigwait(&stop, &signal);
    server.value()->drain();
    server.value()->wait();
}
