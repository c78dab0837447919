#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/clock.h"
#include "load/downlink_book.h"
#include "load/load_options.h"
#include "load/pace.h"

namespace holdfast {

/// One connection as the gateway lists it.
struct GatewayConnection {
    std::string id;
    Endpoint peer;  ///< the peer's address as the gateway sees it
};

/// The part of the gateway's admin API that a fleet uses. Its answers are untrusted.
class DownlinkGateway {
public:
    virtual ~DownlinkGateway() = default;

    /// Returns all connections of the gateway.
    [[nodiscard]] virtual Result<std::vector<GatewayConnection>> connections() = 0;
    /// Requests a downlink of `object`. Returns the HTTP status, or why there is no answer.
    [[nodiscard]] virtual Result<int> send(const std::string& id, const std::string& object) = 0;
    /// Cancels the current request and all later ones. Any thread.
    virtual void break_off() noexcept = 0;
};

/// A device of this fleet that is connected to the gateway.
struct DownlinkTarget {
    std::uint64_t device = 0;
    GatewayConnection connection;
};

/// Returns the index of the nth downlink's target: the device drawn from the whole fleet, or the next connected one. A
/// disconnected device thus changes nothing for the others. `targets` is sorted by device and not empty. Pure; any
/// thread.
[[nodiscard]] std::size_t choose_target(const std::vector<DownlinkTarget>& targets, const LoadOptions& options,
                                        std::uint64_t nth);

/// Requests downlinks for the fleet's devices from the gateway at a steady rate. Owns its thread, from the constructor
/// to stop(). Refers to the book and the gateway, which outlive it.
class DownlinkRequester {
public:
    DownlinkRequester(const Clock& clock, const LoadOptions& options, DownlinkBook& book, DownlinkGateway& gateway);
    DownlinkRequester(const DownlinkRequester&) = delete;
    DownlinkRequester& operator=(const DownlinkRequester&) = delete;
    ~DownlinkRequester() { stop(); }

    /// Ends the thread. A request under way has half a second to finish and is then cancelled.
    void stop();
    /// Returns what prevents downlinks, or an empty text. After stop().
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
    void run();
    void refresh_if_due();
    void refresh();
    void request_due();
    void request();
    [[nodiscard]] bool stopped_within(std::chrono::milliseconds pause);

    const Clock& clock_;
    const LoadOptions& options_;
    DownlinkBook& book_;
    DownlinkGateway& gateway_;
    Pace pace_;

    std::vector<DownlinkTarget> targets_;  // sorted by device
    std::uint64_t seen_version_ = 0;       // of the book, at the last list of connections
    SteadyTime next_refresh_;
    SteadyTime soonest_refresh_;  // after a device turned out to be disconnected
    std::uint64_t requested_ = 0;
    std::string trouble_;

    std::mutex mutex_;
    std::condition_variable changed_;  // a new version, or the stop
    bool stopping_ = false;
    bool ended_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace holdfast
