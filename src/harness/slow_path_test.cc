#include <chrono>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <holdfast/liveness.h>

#include "harness/simulated_gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

class Nothing final : public EventHandler {
public:
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent&) override {}
    void on_closed(const ClosedEvent&) override {}
};

/// Runs devices behind a path with half of the round trip that the plan bears.
class SlowPath : public testing::TestWithParam<milliseconds> {
protected:
    SlowPath() : plan_(plan_liveness(GetParam()).value()) {
        config_.listeners[0].detect_within = GetParam();
        config_.listeners[0].read_idle = std::nullopt;
        config_.canaries = config_.observed = true;
        gateway_ = SimulatedGateway::Impl::make(config_, std::make_unique<Nothing>(), 1).value();
        gateway_->network().delay(plan_.safe_round_trip / 4);
        for (std::size_t i = 0; i < devices; ++i) {
            peers_.push_back(std::make_unique<SimulatedPeer>(gateway_->world()->tcp, gateway_->listener({}),
                                                             gateway_->next_address()));
        }
        pass(20 * plan_.detect_within);
    }
    void pass(milliseconds time) { gateway_->run_until(gateway_->now() + time, {}); }
    /// Returns the connections whose kernel does not probe as the plan says.
    [[nodiscard]] std::size_t moved() {
        std::size_t count = 0;
        Registry& registry = gateway_->shard().registry();
        for (std::uint32_t slot = 1; slot <= registry.highest_slot(); ++slot) {
            const Connection* connection = registry.in_slot(slot);
            if (connection == nullptr) continue;
            const SimulatedLink* link = gateway_->world()->tcp.find_link(connection->fd);
            if (link != nullptr && link->gateway.options().idle != plan_.idle) ++count;
        }
        return count;
    }

    static constexpr std::size_t devices = 60;
    ServerConfig config_;
    const LivenessPlan plan_;
    std::unique_ptr<SimulatedGateway::Impl> gateway_;
    std::vector<std::unique_ptr<SimulatedPeer>> peers_;
};

// The answer to a canary's probe comes after the gateway has ended the probe. The kernel's next probes must not stay
// put off: each further canary would put them off by an interval more, up to the verdict.
TEST_P(SlowPath, LateAnswersLeaveTheKernelsProbesToThePlan) {
    EXPECT_EQ(gateway_->connections(), devices);
    config_.canaries = false;
    ASSERT_TRUE(gateway_->apply(config_));
    pass(plan_.detect_within);
    EXPECT_EQ(moved(), 0U);
    EXPECT_EQ(gateway_->connections(), devices);
}

INSTANTIATE_TEST_SUITE_P(Plans, SlowPath, testing::Values(3s, 5s, 10s, 30s, 60s, 600s),
                         [](const auto& plan) { return std::to_string(plan.param.count() / 1000) + "_s"; });

}  // namespace
}  // namespace holdfast
