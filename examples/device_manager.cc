// A device manager: sends commands to devices, waits two seconds for each answer, and broadcasts. Devices say
// {"hello":{"id":"door-1"}} first, and answer {"answer":1,...} with the number of the command.
//   device_manager 127.0.0.1:7000     its input: DEVICE TEXT, or all TEXT
#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include <holdfast/server.h>

using namespace std::chrono_literals;

std::mutex devices_mutex;
std::set<holdfast::ConnectionId> devices;  // guarded by devices_mutex: of all reactors, for broadcasts
std::atomic<int> commands = 0;

/// Commands that wait for their answers, on one reactor.
class Manager final : public holdfast::EventHandler {
public:
    void on_start(holdfast::ReactorContext& context) override { context_ = &context; }

    void on_connected(const holdfast::ConnectedEvent& event) override {
        const std::lock_guard lock(devices_mutex);
        devices.insert(event.conn);
    }
    void on_identified(const holdfast::IdentifiedEvent& event) override { say(event.device.id, "is here"); }
    void on_item(const holdfast::ItemEvent& event) override {
        const auto waiting = waiting_.find(std::string(event.key));
        if (waiting == waiting_.end()) {
            context_->close(event.conn, {.reason = holdfast::CloseReason::application,
                                         .code = 1,
                                         .detail = "it answered a command that it did not get in time"});
            return;
        }
        context_->cancel(waiting->second);
        waiting_.erase(waiting);
        say(event.device.id, "answers " + std::string(event.item));
    }
    void on_closed(const holdfast::ClosedEvent& event) override {
        say(event.device.id, "left: " + std::string(to_string(event.reason)));
        const std::lock_guard lock(devices_mutex);
        devices.erase(event.conn);
    }

    /// Sends a command. Runs on the reactor that holds the device.
    void command(holdfast::ConnectionId conn, const std::string& device, const std::string& text) {
        const std::string number = std::to_string(++commands);
        if (context_->send(conn, R"({"command":)" + number + R"(,"text":")" + text + R"("})") !=
            holdfast::SendOutcome::queued)
            return say(device, "cannot take command " + number);
        waiting_[number] = context_->run_after(2s, [this, device, number] {
            waiting_.erase(number);
            say(device, "did not answer command " + number);
        });
    }

private:
    static void say(std::string_view device, const std::string& what) {
        std::printf("%.*s %s\n", static_cast<int>(device.size()), device.data(), what.c_str());
    }

    holdfast::ReactorContext* context_ = nullptr;
    std::map<std::string, holdfast::TimerId> waiting_;  // by number of the command
};

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::map<unsigned, Manager*> managers;  // by reactor
    holdfast::ServerConfig config;
    config.listeners[0].address = argc > 1 ? argv[1] : "127.0.0.1:7000";
    config.item.key = "answer";
    config.item.numeric_key = true;
    const auto server = holdfast::Server::start(config, [&](unsigned reactor) {
        auto manager = std::make_unique<Manager>();
        managers[reactor] = manager.get();
        return manager;
    });
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    std::printf("listening on %s\n", to_string(server.value()->status().listeners[0].bound).c_str());

    for (std::string device, text; std::cin >> device && std::getline(std::cin >> std::ws, text);) {
        if (device == "all") {
            const std::lock_guard lock(devices_mutex);
            const std::vector<holdfast::ConnectionId> all(devices.begin(), devices.end());
            server.value()->send_many(all, R"({"news":")" + text + "\"}\n");
        } else if (const auto conn = server.value()->find(device)) {
            server.value()->post(*conn, [=, &managers](holdfast::ReactorContext& context) {
                managers.at(context.reactor())->command(*conn, device, text);
            });
        }
    }
    server.value()->drain();
    server.value()->wait();
}
