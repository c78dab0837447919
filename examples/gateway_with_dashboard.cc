// A gateway with dashboard, alarms, metrics and durable acknowledgements in forty lines. Prints each item and alarm.
//   gateway_with_dashboard 127.0.0.1:7000 127.0.0.1:7080 /var/lib/my-gateway
#include <csignal>
#include <cstdio>
#include <string>

#include <holdfast/gateway.h>

class Printer final : public holdfast::EventHandler {
    void on_connected(const holdfast::ConnectedEvent&) override {}
    void on_item(const holdfast::ItemEvent& event) override {
        std::printf("%s sent %s\n", std::string(event.device.id).c_str(), std::string(event.item).c_str());
    }
    void on_closed(const holdfast::ClosedEvent&) override {}
};

int main(int argc, char** argv) {
    if (argc != 4) return std::fprintf(stderr, "usage: %s DEVICES ADMIN DIRECTORY\n", argv[0]), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    holdfast::GatewayConfig config;
    config.server.listeners[0].address = argv[1];
    config.server.listeners[0].acks = true;
    config.admin.address = argv[2];
    config.spool.directory = argv[3];
    config.on_log = [](std::string_view line) { std::fprintf(stderr, "%s\n", std::string(line).c_str()); };
    const auto gateway = holdfast::Gateway::start(config, [](unsigned) { return std::make_unique<Printer>(); });
    if (!gateway) return std::fprintf(stderr, "%s\n", gateway.error().message.c_str()), 1;
    const holdfast::ServerStatus status = gateway.value()->server().status();
    std::printf("%s, devices on %s\n", gateway.value()->dashboard().c_str(),
                to_string(status.listeners[0].bound).c_str());
    int signal = 0;
    sigwait(&stop, &signal);
    gateway.value()->drain();
    return gateway.value()->wait() == 0 ? 0 : 1;
}
