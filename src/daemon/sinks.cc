#include "daemon/sinks.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "config/checks.h"
#include "sink/spool_sink.h"
#include "sink/stream_sink.h"
#include "spool/start_space.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

using std::chrono::milliseconds;

std::optional<Error> Sinks::start(const SinkConfig& config, std::size_t max_item_bytes,
                                  std::optional<milliseconds> lost_after, const IsKept& is_kept) {
    type_ = config.type;
    switch (config.type) {
        case SinkType::stdout_:
        case SinkType::file:
            return start_stream(config);
        case SinkType::spool:
        case SinkType::nats:
            return start_spool(config, max_item_bytes, config.type == SinkType::nats ? lost_after : std::nullopt,
                               is_kept);
        case SinkType::none:
            break;
    }
    return std::nullopt;
}

std::optional<std::string> Sinks::lack_of_space(const SinkConfig& config) {
    if (config.type != SinkType::spool && config.type != SinkType::nats) return std::nullopt;
    auto lack = holdfast::lack_of_space(config.path);
    if (!lack) return std::nullopt;
    const std::size_t removed = retain_before_start(spool_options(config));
    if (removed == 0) return lack;
    log_.info("removed spool files by retention to start on a full disk", {{"files", std::to_string(removed)}});
    return holdfast::lack_of_space(config.path);
}

std::optional<Error> Sinks::start_stream(const SinkConfig& config) {
    StreamSink::Options options;
    options.path = config.type == SinkType::file ? config.path : std::string();
    options.descriptor = STDOUT_FILENO;
    options.follows_crash = follows_crash_;
    options.queue_bytes = config.queue_bytes;
    options.bad_items = config.bad_items;
    if (options.path.empty() && ::isatty(STDOUT_FILENO) == 1) options.rewrite = printable_json;
    options.on_trouble = [this](const std::string& error) { log_.error(error); };
    options.on_recovered = [this] { log_.info("writing to the sink resumed"); };
    options.on_broken = on_broken_;
    auto sink = StreamSink::start(std::move(options));
    if (!sink) return sink.error();
    sink_ = std::move(sink).value();
    return std::nullopt;
}

SpoolOptions Sinks::spool_options(const SinkConfig& config) {
    SpoolOptions options;
    options.directory = config.path;
    options.commit_interval = config.commit_interval;
    options.commit_bytes = config.commit_bytes;
    options.retain_bytes = config.retain_bytes;
    options.retain_age = config.retain_age;
    options.sessions = {.per_id = config.sessions_per_id, .overall = config.max_sessions};
    options.required_groups = group_names(config.required_groups);
    if (config.type == SinkType::nats) options.required_groups.emplace_back(nats_group);
    options.on_trouble = [this](const std::string& error) { log_.error(error); };
    options.on_recovered = [this] { log_.info("writing to the sink resumed"); };
    options.on_quarantine = [this](const std::string& report) { log_.error(report); };
    options.on_clock_step = [this](milliseconds by) {
        log_.warn("the system clock was stepped, and ages of events and sessions were kept",
                  {{"by", format_duration(by)}});
    };
    options.on_read_trouble = [this](const std::string& error) { log_.error(error); };
    options.on_read_recovered = [this] { log_.info("reading from the spool resumed"); };
    options.on_healed = [this](const std::string& report) { log_.info(report); };
    options.pause_start = pause_start_;
    return options;
}

std::optional<Error> Sinks::start_spool(const SinkConfig& config, std::size_t max_item_bytes,
                                        std::optional<milliseconds> lost_after, const IsKept& is_kept) {
    auto spool = Spool::open(spool_options(config));
    if (!spool) return spool.error();
    spool_ = std::move(spool).value();
    sink_ = std::make_unique<SpoolSink>(*spool_, config.queue_bytes, config.bad_items);
    const SpoolStatus status = spool_->status();
    log_.info("spool", {{"path", config.path}, {"id", status.id}, {"last_position", std::to_string(status.last)}});
    end_lost_connections(status, lost_after, is_kept);
    if (config.type != SinkType::nats) return std::nullopt;
    auto nats = NatsOutput::start(*spool_, config, max_item_bytes, log_);
    if (!nats) return nats.error();
    nats_ = std::move(nats).value();
    return std::nullopt;
}

/// Writes the synthetic events before any handler exists, so that they precede the events of this process.
void Sinks::end_lost_connections(const SpoolStatus& status, std::optional<milliseconds> lost_after,
                                 const IsKept& is_kept) {
    const auto began = std::chrono::steady_clock::now();
    const WallTime now = SystemClock().wall();
    const milliseconds away = std::max(status.away.time, milliseconds(0));
    // If the other gateways do not yet count this one as lost, none has written synthetic events. Half of lost_after
    // leaves room for beats and a slow connection to NATS.
    const bool missed = lost_after && (!status.away.certain || away >= *lost_after / 2);
    LostConnections lost = close_lost(*spool_, now, missed, is_kept);
    lost_closed_ = lost.closed;
    inherited_ = {.former = std::move(lost.former), .away = away, .has_events = status.last > 0};
    if (lost.closed == 0 && inherited_.former.empty()) return;
    const auto took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    log_.warn("wrote closed events for connections of an earlier process",
              {{"reason", "gateway_lost"},
               {"closed", std::to_string(lost.closed)},
               {"left_to_fleet", std::to_string(inherited_.former.size())},
               {"took", format_duration(took)}});
}

Result<std::function<void()>> Sinks::prepare_change(const SinkConfig& config) {
    auto change = sink_->prepare_change({config.path, config.queue_bytes});
    if (!change || !spool_) return change;
    return std::function<void()>([this, config, make = std::move(change).value()] {
        make();
        spool_->change(spool_options(config));
    });
}

SinkStatus Sinks::status() const {
    SinkStatus status{.type = std::string(to_string(type_))};
    const SinkFigures figures = sink_->figures();
    status.events = figures.events;
    status.lag_events = figures.events - figures.written;
    status.bytes = figures.bytes;
    status.full = figures.full;
    status.error = figures.error;
    if (spool_) {
        status.spool = spool_->status();
        status.spool->gateway_lost = lost_closed_;
    }
    if (nats_) {
        status.nats = nats_->status();
        status.lag_events += status.nats->lag_events;
    }
    return status;
}

/// Stops the sink. Events that do not reach NATS in time stay in the spool and are not lost.
std::uint64_t Sinks::stop(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const std::uint64_t lost = sink_->stop(timeout);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (nats_) nats_->stop(std::max(left, std::chrono::milliseconds(0)));
    return lost;
}

void Sinks::give_up() {
    sink_->give_up();
    if (nats_) nats_->give_up();
}

}  // namespace holdfast
