#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/result.h>

#include "admin/sink_status.h"
#include "app/log.h"
#include "app/nats_output.h"
#include "options/daemon_config.h"
#include "sink/lost_connections.h"
#include "sink/sink.h"
#include "spool/spool.h"

namespace holdfast {

/// Connections in the spool that earlier processes left open for the fleet to end.
struct SpoolInheritance {
    std::vector<FormerConnection> former;
    std::chrono::milliseconds away{};  ///< time since the newest event in it
    bool has_events = false;
};

/// The configured sink with its spool and NATS connection. Owns them. Any thread after start().
class Sinks {
public:
    using PauseStart = std::function<bool(std::chrono::milliseconds time)>;
    /// `on_broken` is called when events can never be delivered again. `pause_start`: see SpoolOptions.
    Sinks(Log& log, std::function<void(const std::string&)> on_broken, PauseStart pause_start)
        : log_(log), on_broken_(std::move(on_broken)), pause_start_(std::move(pause_start)) {}

    /// Starts the sink. `lost_after` is that of this gateway's fleet, if it has one. After an absence of that length,
    /// the fleet has ended the connections that earlier processes left open.
    [[nodiscard]] std::optional<Error> start(const SinkConfig& config, std::size_t max_item_bytes,
                                             std::optional<std::chrono::milliseconds> lost_after);
    /// Runs retention and returns what the disk still lacks for start(), or nullopt. Called before start().
    [[nodiscard]] std::optional<std::string> lack_of_space(const SinkConfig& config);
    [[nodiscard]] SpoolInheritance take_inheritance() { return std::exchange(inherited_, {}); }

    [[nodiscard]] std::unique_ptr<EventHandler> make_handler();
    /// Opens the sink of a new configuration, which has the same type, and changes nothing yet. Returns the function
    /// that applies it.
    [[nodiscard]] Result<std::function<void()>> prepare_change(const SinkConfig& config);
    void reopen() { sink_->reopen(); }
    [[nodiscard]] SinkStatus status() const;
    [[nodiscard]] Spool* spool() const { return spool_.get(); }     ///< nullptr if the sink has none
    [[nodiscard]] NatsOutput* nats() const { return nats_.get(); }  ///< nullptr for another sink

    /// Writes the queued events, for at most `patience`. Returns the number of events that are lost with this process.
    std::uint64_t stop(std::chrono::milliseconds patience);
    void give_up();

private:
    [[nodiscard]] std::optional<Error> start_stream(const SinkConfig& config);
    [[nodiscard]] std::optional<Error> start_spool(const SinkConfig& config, std::size_t max_item_bytes,
                                                   std::optional<std::chrono::milliseconds> lost_after);
    void end_lost_connections(const SpoolStatus& status, std::optional<std::chrono::milliseconds> lost_after);
    [[nodiscard]] SpoolOptions spool_options(const SinkConfig& config);

    Log& log_;
    const std::function<void(const std::string&)> on_broken_;
    const PauseStart pause_start_;
    SinkType type_ = SinkType::none;
    std::unique_ptr<Spool> spool_;
    std::string spool_path_;
    std::unique_ptr<Sink> sink_;       // nullptr: events are discarded
    StreamSink* stream_ = nullptr;     // sink_, if it has this type
    SpoolSink* spool_sink_ = nullptr;  // sink_, if it has this type
    std::unique_ptr<NatsOutput> nats_;
    SpoolInheritance inherited_;
    std::uint64_t lost_closed_ = 0;  // synthetic events written at the start
};

}  // namespace holdfast
