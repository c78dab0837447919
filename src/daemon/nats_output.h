#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <holdfast/result.h>

#include "daemon/log.h"
#include "forward/forwarder.h"
#include "forward/nats_link.h"
#include "options/daemon_config.h"
#include "spool/spool.h"

namespace holdfast {

/// Group of a spool for the sink `nats`: retention waits for it.
inline constexpr const char* nats_group = "nats";

/// Sends a spool's events to NATS, and provides the fleet's connection. Owns two connections, so that requests about a
/// device do not queue behind events, and the forwarder's thread. Ends by stop(), or at its destruction.
class NatsOutput {
public:
    [[nodiscard]] static Result<std::unique_ptr<NatsOutput>> start(Spool& spool, const SinkConfig& config,
                                                                   std::size_t max_item_bytes, Log& log);

    /// Returns the connection for everything except events. The link resumes by itself.
    [[nodiscard]] NatsLink& link() { return *link_; }
    [[nodiscard]] ForwarderStatus status() const { return forwarder_->status(); }
    /// Publishes the spool's events for at most `timeout`.
    void stop(std::chrono::milliseconds timeout) { forwarder_->stop(timeout); }
    void give_up() { forwarder_->give_up(); }

private:
    NatsOutput() = default;

    std::unique_ptr<NatsLink> link_;
    std::unique_ptr<NatsLink> feed_;  // for events
    std::unique_ptr<Forwarder> forwarder_;
};

}  // namespace holdfast
