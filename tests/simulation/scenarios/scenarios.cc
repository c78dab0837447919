// Runs the scenarios of its standard input in the simulated world: see scenarios.txt. Prints for each: name, reason and
// the milliseconds from the last fault to the `closed` event.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include <holdfast/testing.h>

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

class Handler final : public holdfast::EventHandler {
public:
    void on_connected(const holdfast::ConnectedEvent& event) override { conn = event.conn; }
    void on_item(const holdfast::ItemEvent&) override {}
    void on_closed(const holdfast::ClosedEvent& event) override { reason = event.reason; }

    holdfast::ConnectionId conn;
    std::optional<holdfast::CloseReason> reason;
};

class Scenario {
public:
    explicit Scenario(std::istringstream& words) {
        milliseconds::rep detect_within = 0, read_idle = 0, item_deadline = 0;
        words >> detect_within >> read_idle >> item_deadline;
        holdfast::ListenerConfig& listener = config_.listeners[0];
        listener.detect_within = milliseconds(detect_within);
        listener.read_idle = read_idle > 0 ? std::optional(milliseconds(read_idle)) : std::nullopt;
        if (item_deadline > 0) listener.item_deadline = milliseconds(item_deadline);
        auto handler = std::make_unique<Handler>();
        handler_ = handler.get();
        gateway_ = holdfast::SimulatedGateway::start(config_, std::move(handler)).value();
        device_.emplace(gateway_->connect());
        gateway_->advance(100ms);
        since_ = gateway_->now();
    }

    void step(const std::string& word) {
        const std::string name = word.substr(0, word.find(':'));
        if (name == "wait") return gateway_->advance(milliseconds(std::stoll(word.substr(name.size() + 1))));
        if (name != "downlink" && name != "heal") since_ = gateway_->now();
        if (name == "send") device_->send("{\"ip\":\"10.20.30.40\"}\n");
        if (name == "partial") device_->send("{\"ip\":");
        if (name == "close") device_->close();
        if (name == "half_close") device_->half_close();
        if (name == "reset") device_->reset();
        if (name == "vanish") device_->vanish();
        if (name == "stall") device_->stall();
        if (name == "partition") gateway_->network().partition();
        if (name == "unreachable") gateway_->network().unreachable();
        if (name == "heal") gateway_->network().heal();
        if (name == "downlink") static_cast<void>(gateway_->context().send(handler_->conn, R"({"do":"report"})"));
        if (name == "flood") flood();
        if (name == "send") gateway_->advance(300ms);
    }

    void report(const std::string& name) {
        gateway_->advance_until([this] { return handler_->reason.has_value(); }, 2min);
        const std::string reason(handler_->reason ? to_string(*handler_->reason) : "open");
        std::printf("%s %s %lld\n", name.c_str(), reason.c_str(),
                    static_cast<long long>((gateway_->now() - since_).count()));
    }

private:
    void flood() {
        const std::string large = "{\"fill\":\"" + std::string(32'000, 'x') + "\"}";
        while (gateway_->context().send(handler_->conn, large) == holdfast::SendOutcome::queued)
            gateway_->advance(10ms);
    }

    holdfast::ServerConfig config_;
    Handler* handler_ = nullptr;
    std::unique_ptr<holdfast::SimulatedGateway> gateway_;
    std::optional<holdfast::SimulatedDevice> device_;
    milliseconds since_{};
};

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string name, word;
        if (!(words >> name) || name[0] == '#') continue;
        Scenario scenario(words);
        while (words >> word) scenario.step(word);
        scenario.report(name);
    }
}
