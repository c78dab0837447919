// A test of a program's own EventHandler, without sockets and without waiting: holdfast::testing runs the gateway on
// simulated connections and simulated time. Link holdfast::testing instead of holdfast::holdfast.
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include <holdfast/testing.h>

using namespace std::chrono_literals;

/// The program's handler: welcomes each device, and closes one that sends an item "unpaid".
class Doorkeeper final : public holdfast::EventHandler {
public:
    explicit Doorkeeper(std::set<holdfast::ConnectionId>& inside) : inside_(inside) {}

    void on_start(holdfast::ReactorContext& context) override { context_ = &context; }
    void on_connected(const holdfast::ConnectedEvent& event) override {
        inside_.insert(event.conn);
        context_->send(event.conn, R"({"welcome":true})");
    }
    void on_item(const holdfast::ItemEvent& event) override {
        if (event.key != "unpaid") return;
        context_->close(event.conn, {.reason = holdfast::CloseReason::application, .code = 402, .flush = true});
    }
    void on_closed(const holdfast::ClosedEvent& event) override { inside_.erase(event.conn); }

private:
    std::set<holdfast::ConnectionId>& inside_;
    holdfast::ReactorContext* context_ = nullptr;
};

int failures = 0;

void expect(bool is_true, const std::string& what) {
    std::printf("%s: %s\n", is_true ? "ok" : "FAILED", what.c_str());
    if (!is_true) ++failures;
}

int main() {
    std::set<holdfast::ConnectionId> inside;
    holdfast::ServerConfig config;
    config.listeners[0].detect_within = 30s;
    auto started = holdfast::SimulatedGateway::start(config, std::make_unique<Doorkeeper>(inside));
    if (!started) return std::fprintf(stderr, "%s\n", started.error().message.c_str()), 1;
    holdfast::SimulatedGateway& gateway = *started.value();

    auto door = gateway.connect();
    auto gate = gateway.connect();
    gateway.advance(10ms);
    expect(inside.size() == 2, "two devices are inside");
    expect(door.answers() == std::vector<std::string>{R"({"welcome":true})"}, "a device is welcomed");

    door.send("{\"ip\":\"unpaid\"}\n");
    gateway.advance(10ms);
    expect(gateway.closed().front().code == 402, "a device that has not paid is closed with code 402");
    expect(door.state() == holdfast::DeviceState::closed, "it sees an orderly end");

    gateway.network().partition();
    gateway.advance(15s);
    expect(inside.size() == 1, "an outage of 15 s closes nobody");
    gateway.network().heal();
    gateway.advance(1h);
    expect(inside.size() == 0, "a device without an item in five minutes is closed");
    expect(gateway.closed().front().reason == holdfast::CloseReason::read_idle, "the reason is read_idle");

    auto lamp = gateway.connect();
    gateway.advance(1s);
    lamp.vanish();
    const bool found = gateway.advance_until([&] { return inside.empty(); }, 30s);
    expect(found, "a device that vanishes is found within detect_within");
    expect(gateway.closed().front().reason == holdfast::CloseReason::keepalive_expired, "the reason is right");
    return failures;
}
