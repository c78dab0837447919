#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/events.h>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

struct Attempt;
class World;

/// The numbered items that a sink has received, by id of the device. Outlives the gateway's process.
struct Ledger {
    std::map<std::string, std::uint64_t> given;    ///< last number
    std::map<std::string, std::uint64_t> durable;  ///< last number that the gateway knows to be durable
    Position told = 0;                             ///< events of the spool that the gateway knows to be durable
    std::vector<std::size_t> lines;                ///< hashes of the events that the spool had after its latest start

    [[nodiscard]] std::uint64_t durable_of(const std::string& id) const {
        const auto found = durable.find(id);
        return found == durable.end() ? 0 : found->second;
    }
};

/// The handler of a simulated world: a sink that is durable some time after each turn. Checks what its events say. With
/// a spool, its events go there, and each turn waits until they are durable: the world then decides when the gateway
/// hears of that.
class Recorder final : public EventHandler, public Durable {
public:
    Recorder(World& world, std::unique_ptr<EventHandler> spooled);

    void on_connected(const ConnectedEvent& event) override;
    void on_item(const ItemEvent& event) override;
    void on_closed(const ClosedEvent& event) override;
    void on_identified(const IdentifiedEvent& event) override;
    void on_refused(const RefusedItem& item) override;
    void on_turn_end() override;
    bool ready() override;
    Durable* durable() override { return this; }
    void on_durable_change(std::function<void(std::uint64_t)> tell) override { tell_ = std::move(tell); }
    void look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) override;

private:
    /// Progress of the spool, which its thread reports.
    struct Committed {
        std::mutex mutex;
        std::condition_variable change;
        std::uint64_t calls = 0;                            // guarded by mutex
        std::vector<std::optional<std::uint64_t>> answers;  // guarded by mutex: of look_ups_, in order
    };
    struct LookUp {
        std::string id;
        std::function<void(std::uint64_t)> answer;
    };

    void take_next(Attempt& attempt, const ItemEvent& event);
    void take_number(const DeviceName& device, std::uint64_t seq);
    void wait_for_spool();
    [[nodiscard]] std::vector<std::optional<std::uint64_t>> take_answers();

    World& world_;
    const std::unique_ptr<EventHandler> spooled_;  // may be null
    const std::shared_ptr<Committed> committed_ = std::make_shared<Committed>();
    std::function<void(std::uint64_t)> tell_;
    std::uint64_t count_ = 0;
    bool is_dirty_ = false;
    SteadyTime durable_at_;
    std::map<std::string, std::uint64_t> fresh_;  // by id: last number since the last turn
    std::vector<LookUp> look_ups_;
};

}  // namespace holdfast
