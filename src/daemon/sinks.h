#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/result.h>

#include "api/status_parts.h"
#include "daemon/log.h"
#include "daemon/nats_output.h"
#include "options/daemon_config.h"
#include "sink/lost_connections.h"
#include "sink/sink.h"
#include "spool/spool.h"

namespace holdfast {

/// The configured sink with all its parts. Owns it. Any thread, after start().
class Sinks {
public:
    using PauseStart = std::function<bool(std::chrono::milliseconds time)>;
    /// Takes the callbacks. `on_broken`: events cannot be delivered for the rest of the run. `pause_start`: see
    /// SpoolOptions.
    Sinks(Log& log, std::function<void(const std::string&)> on_broken, PauseStart pause_start)
        : log_(log), on_broken_(std::move(on_broken)), pause_start_(std::move(pause_start)) {}

    /// States that a worker before this process crashed; before start().
    void follow_crash() { follows_crash_ = true; }
    /// Starts the configured sink. `lost_after` is the fleet's, if this gateway is in a fleet. A fleet that missed this
    /// gateway for so long has reported the ends of the connections that earlier processes left open.
    /// `is_kept` returns true for a connection that lives on: see close_lost().
    [[nodiscard]] std::optional<Error> start(const SinkConfig& config, std::size_t max_item_bytes,
                                             std::optional<std::chrono::milliseconds> lost_after,
                                             const IsKept& is_kept);
    /// Returns what the disk lacks for start(), after retention has removed surplus files. Before start().
    [[nodiscard]] std::optional<std::string> lack_of_space(const SinkConfig& config);
    [[nodiscard]] SpoolInheritance take_inheritance() { return std::exchange(inherited_, {}); }

    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() { return sink_->make_handler(); }
    /// Opens the sink of a new configuration without a change; the returned function switches to it. Not for another
    /// type.
    [[nodiscard]] Result<std::function<void()>> prepare_change(const SinkConfig& config);
    void reopen() { sink_->reopen(); }
    [[nodiscard]] SinkStatus status() const;
    [[nodiscard]] Spool* spool() const { return spool_.get(); }     ///< null: no spool
    [[nodiscard]] NatsOutput* nats() const { return nats_.get(); }  ///< null: another sink

    /// Writes waiting events for at most `timeout`. Returns the number of events that are lost with this process.
    std::uint64_t stop(std::chrono::milliseconds timeout);
    void give_up();

private:
    [[nodiscard]] std::optional<Error> start_stream(const SinkConfig& config);
    [[nodiscard]] std::optional<Error> start_spool(const SinkConfig& config, std::size_t max_item_bytes,
                                                   std::optional<std::chrono::milliseconds> lost_after,
                                                   const IsKept& is_kept);
    void end_lost_connections(const SpoolStatus& status, std::optional<std::chrono::milliseconds> lost_after,
                              const IsKept& is_kept);
    [[nodiscard]] SpoolOptions spool_options(const SinkConfig& config);

    Log& log_;
    const std::function<void(const std::string&)> on_broken_;
    const PauseStart pause_start_;
    SinkType type_ = SinkType::none;
    std::unique_ptr<Spool> spool_;
    std::unique_ptr<Sink> sink_ = std::make_unique<DiscardingSink>();
    std::unique_ptr<NatsOutput> nats_;
    SpoolInheritance inherited_;
    bool follows_crash_ = false;
    std::uint64_t lost_closed_ = 0;  // connections of earlier processes, at the start
};

}  // namespace holdfast
