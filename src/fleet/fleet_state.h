#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fleet/bucket.h"
#include "fleet/device_news.h"
#include "fleet/fleet.h"
#include "fleet/gateway_book.h"
#include "fleet/presence.h"
#include "fleet/twin_watch.h"

namespace holdfast {

/// What a gateway knows of the fleet, shared by its thread, the buckets' and whoever asks. Members are guarded by
/// `mutex`, which nobody holds while waiting for something else; the functions take it themselves.
class FleetState {
public:
    /// `self`: what this gateway's beats say of it, but for the run, which is drawn here.
    FleetState(GatewayRecord self, std::chrono::milliseconds lost_after, std::size_t most_ended, DeviceNews& news);

    /// Returns whether this gateway takes part in the fleet now, and begins to if it may.
    [[nodiscard]] bool takes_part();

    /// What the buckets are to tell; wakes the reader of `news` when there is something to do.
    [[nodiscard]] Bucket::Hearer hear_presence();
    [[nodiscard]] Bucket::Hearer hear_gateways();

    // As Fleet has them.
    [[nodiscard]] std::vector<FleetGateway> gateways() const;
    [[nodiscard]] FleetPage devices(const FleetQuery& query) const;
    [[nodiscard]] std::optional<FleetDevice> find(const std::string& id) const;
    [[nodiscard]] FleetStatus status() const;
    /// The gateway that has the device.
    [[nodiscard]] std::optional<std::string> holder(const std::string& id) const;
    /// Whether this gateway's own beats have not come back for `silent_after`: what it knows of others is old. A
    /// gateway that a twin keeps out does not beat, and receives the twin's beats. The caller holds `mutex`.
    [[nodiscard]] bool is_cut_off(SteadyTime now) const {
        return now - heard_self() > silent_after && twins.twin(now).empty();
    }
    /// Notes the records that the budget has removed.
    void note_dropped();
    /// Whether another gateway has the device by a connection that has proved the id.
    [[nodiscard]] bool is_authenticated_elsewhere(const std::string& id) const;

    const GatewayRecord self;
    const std::uint32_t run;  ///< of this gateway's part in the fleet
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
    void presence_complete();
    [[nodiscard]] FleetDevice shown(const std::string& id, const PresenceRecord& record, SteadyTime now) const;

    [[nodiscard]] SteadyTime heard_self() const { return book.heard_self().value_or(started_); }
    [[nodiscard]] std::string cut_off_text(SteadyTime now) const;
    [[nodiscard]] std::string budget_text(SteadyTime now) const;

    const SystemClock clock_;
    const SteadyTime started_ = clock_.steady();
    std::uint64_t dropped_ = 0;
    std::optional<SteadyTime> dropped_at_;
    const std::string name_;
    DeviceNews& news_;
    bool has_lost_former_ = false;  // guarded by mutex: what a former run left is marked
};

}  // namespace holdfast
