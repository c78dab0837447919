// A bridge for GPS trackers: takes GT06 and Teltonika, and prints what they send. A tracker that is gone is reported
// within 30 s, although none of the two protocols has heartbeats.
//   tracker_bridge 127.0.0.1:5023 127.0.0.1:5027
#include <csignal>
#include <cstdio>
#include <string>

#include <holdfast/server.h>

#include "gt06_codec.h"
#include "teltonika_codec.h"

class Printer final : public holdfast::EventHandler {
public:
    void on_connected(const holdfast::ConnectedEvent&) override {}
    void on_identified(const holdfast::IdentifiedEvent& event) override {
        std::printf("%s is here\n", std::string(event.device.id).c_str());
    }
    void on_item(const holdfast::ItemEvent& event) override {
        if (event.payload == holdfast::Payload::json) {
            std::printf("%s\n", std::string(event.item).c_str());
        } else {
            std::printf("%s: %zu bytes of AVL data\n", std::string(event.key).c_str(), event.item.size());
        }
    }
    void on_bad_item(const holdfast::BadItemEvent& event) override {
        std::printf("%s: a message of %llu bytes is %s\n", std::string(event.device.id).c_str(),
                    static_cast<unsigned long long>(event.bytes), std::string(to_string(event.kind)).c_str());
    }
    void on_closed(const holdfast::ClosedEvent& event) override {
        std::printf("%s left: %s %s\n", std::string(event.device.id).c_str(),
                    std::string(to_string(event.reason)).c_str(), std::string(event.detail).c_str());
    }
};

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    holdfast::ListenerConfig gt06{.name = "gt06"};
    gt06.address = argc > 1 ? argv[1] : "127.0.0.1:5023";
    gt06.codec = [] { return std::make_unique<Gt06Codec>(); };
    holdfast::ListenerConfig teltonika{.name = "teltonika"};
    teltonika.address = argc > 2 ? argv[2] : "127.0.0.1:5027";
    teltonika.codec = [] { return std::make_unique<TeltonikaCodec>(); };
    teltonika.payload = holdfast::Payload::base64;
    holdfast::ServerConfig config;
    config.listeners = {gt06, teltonika};
    config.reactors = 1;  // one thread prints
    const auto server = holdfast::Server::start(config, [](unsigned) { return std::make_unique<Printer>(); });
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    for (const holdfast::ListenerStatus& listener : server.value()->status().listeners)
        std::printf("%s on %s\n", listener.name.c_str(), to_string(listener.bound).c_str());
    int signal = 0;
    sigwait(&stop, &signal);
    server.value()->drain();
    server.value()->wait();
}
