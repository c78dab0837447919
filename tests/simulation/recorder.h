#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/events.h>

#include "base/clock.h"

namespace holdfast {

class World;

/// The handler of a simulated world: a sink that is durable some time after each turn. Checks what its events say.
class Recorder final : public EventHandler, public Durable {
public:
    explicit Recorder(World& world) : world_(world) {}

    void on_connected(const ConnectedEvent& event) override;
    void on_item(const ItemEvent& event) override;
    void on_closed(const ClosedEvent& event) override;
    void on_identified(const IdentifiedEvent&) override { ++count_; }
    void on_refused(const RefusedItem& item) override;
    void on_turn_end() override;
    bool ready() override;
    Durable* durable() override { return this; }
    void on_durable_change(std::function<void(std::uint64_t)> tell) override { tell_ = std::move(tell); }
    void look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) override;

    /// Returns the last durable number of a device's session.
    [[nodiscard]] std::uint64_t durable_of(const std::string& id) const {
        const auto found = durable_.find(id);
        return found == durable_.end() ? 0 : found->second;
    }

private:
    void take_number(const DeviceName& device, std::uint64_t seq);

    World& world_;
    std::function<void(std::uint64_t)> tell_;
    std::uint64_t count_ = 0;
    bool is_dirty_ = false;
    SteadyTime durable_at_;
    std::map<std::string, std::uint64_t> given_;    // by id: last number
    std::map<std::string, std::uint64_t> fresh_;    // likewise, since the last turn
    std::map<std::string, std::uint64_t> durable_;  // likewise
    std::vector<std::pair<std::string, std::function<void(std::uint64_t)>>> look_ups_;
};

}  // namespace holdfast
