#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fleet/bucket.h"
#include "fleet/device_news.h"
#include "fleet/fleet_view.h"
#include "fleet/gateway_book.h"
#include "fleet/presence.h"
#include "fleet/record.h"
#include "fleet/twin_watch.h"

namespace holdfast {

/// A gateway's view of the fleet, shared by its thread, the buckets' threads and callers. `mutex` guards the members.
/// No thread holds it while it waits for something else. The functions lock it themselves.
class FleetState {
public:
    /// Creates an empty state. `self` is the content of this gateway's beats, except the run, which the constructor
    /// draws.
    FleetState(GatewayRecord self, std::chrono::milliseconds lost_after, std::size_t max_ended, DeviceNews& news);

    /// Returns whether this gateway takes part in the fleet now, and begins to if it may.
    [[nodiscard]] bool takes_part();

    /// Returns the callbacks of the buckets. They wake the reader of `news` when work is due.
    [[nodiscard]] Bucket::Hearer receive_presence();
    [[nodiscard]] Bucket::Hearer receive_gateways();

    // Implement the functions of Fleet.
    [[nodiscard]] std::vector<FleetGateway> gateways() const;
    [[nodiscard]] FleetPage devices(const FleetQuery& query) const;
    [[nodiscard]] std::optional<FleetDevice> find(const std::string& id) const;
    [[nodiscard]] FleetStatus status() const;
    /// Returns the gateway that holds the device.
    [[nodiscard]] std::optional<std::string> holder(const std::string& id) const;
    /// Returns true if this gateway's own beats have not returned for `silent_after`, so that its view of others is
    /// old. A gateway that a twin excludes sends no beats, but receives those of the twin. The caller holds `mutex`.
    [[nodiscard]] bool is_cut_off(SteadyTime now) const {
        return now - heard_self() > silent_after && twins.twin(now).empty();
    }
    /// Records that a gateway was lost, with the number of its devices. The caller holds `mutex`.
    void note_lost(const std::string& name);
    /// Records the number of records that the budget has removed.
    void note_dropped();
    /// Returns true if a connection of another gateway has proved the id.
    [[nodiscard]] bool is_authenticated_elsewhere(const std::string& id) const;

    const GatewayRecord self;
    const std::uint32_t run;  ///< identifies this process in the fleet
    mutable std::mutex mutex;
    Presence presence;
    GatewayBook book;
    TwinWatch twins;
    std::string trouble;
    std::uint64_t lost_told = 0;
    std::uint64_t superseded = 0;

private:
    void saw_device(const std::string& key, const std::string& value, std::uint64_t revision);
    void saw_gateway(const std::string& value);
    void with_id(const std::string& key, const std::function<void(const std::string& id)>& call);
    void presence_complete();
    [[nodiscard]] FleetDevice shown(const std::string& id, const PresenceRecord& record, SteadyTime now) const;

    [[nodiscard]] SteadyTime heard_self() const { return book.heard_self().value_or(started_); }
    [[nodiscard]] std::string cut_off_text(SteadyTime now) const;
    [[nodiscard]] std::string budget_text(SteadyTime now) const;
    void add_lost(FleetStatus& status) const;

    struct LostGateway {
        WallTime at;
        std::uint64_t devices = 0;
    };

    const SystemClock clock_;
    const SteadyTime started_ = clock_.steady();
    std::uint64_t dropped_ = 0;
    std::optional<SteadyTime> dropped_at_;
    std::map<std::string, LostGateway> lost_;  // guarded by mutex; of this process, also those that came back
    const std::string name_;
    DeviceNews& news_;
    bool has_lost_former_ = false;  // guarded by mutex: the records of a former run are marked
};

}  // namespace holdfast
