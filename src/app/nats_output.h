#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <holdfast/result.h>

#include "app/log.h"
#include "nats/forwarder.h"
#include "nats/nats_link.h"
#include "options/daemon_config.h"
#include "spool/spool.h"

namespace holdfast {

/// The group of the spool that the sink `nats` reads for. Retention keeps what it still needs.
inline constexpr const char* nats_group = "nats";

/// Publishes a spool's events to NATS. Owns the forwarder with its thread and two connections, so that requests of the
/// fleet do not wait behind events. Ends by stop() or its destructor.
class NatsOutput {
public:
    [[nodiscard]] static Result<std::unique_ptr<NatsOutput>> start(Spool& spool, const SinkConfig& config,
                                                                   std::size_t max_item_bytes, Log& log);

    /// The connection for everything but events. It reconnects by itself.
    [[nodiscard]] NatsLink& link() { return *link_; }
    [[nodiscard]] SinkStatus::NatsPart status() const;
    /// Publishes the remaining events of the spool, for at most `patience`.
    void stop(std::chrono::milliseconds patience) { forwarder_->stop(patience); }
    void give_up() { forwarder_->give_up(); }

private:
    NatsOutput() = default;

    std::unique_ptr<NatsLink> link_;
    std::unique_ptr<NatsLink> feed_;  // for events
    std::unique_ptr<Forwarder> forwarder_;
};

}  // namespace holdfast
