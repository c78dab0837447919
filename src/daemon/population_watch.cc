#include "daemon/population_watch.h"

#include <string>
#include <utility>

#include "api/render.h"
#include "text/units.h"

namespace holdfast {

PopulationWatch::PopulationWatch(Server& server, const AlarmConfig& config, std::function<SinkStatus()> sink,
                                 std::function<FleetStatus()> fleet, Log& log, EventHub& feed)
    : log_(log),
      feed_(feed),
      webhook_url_(config.webhook),
      webhook_(make_webhook(config.webhook)),
      watcher_(std::make_unique<Watcher>(
          server, Watcher::Options{.alarms = config,
                                   .sink = std::move(sink),
                                   .fleet = std::move(fleet),
                                   .on_alarm = [this](const Alarm& alarm) { on_alarm(alarm); },
                                   .on_inquiry = [this](const Inquiry& inquiry) { on_inquiry(inquiry); },
                                   .on_sample = [this](const PopulationSample& sample) { on_sample(sample); }})) {}

std::unique_ptr<Webhook> PopulationWatch::make_webhook(const std::string& url) {
    if (url.empty()) return nullptr;
    return std::make_unique<Webhook>(url, [this](const std::string& line) { log_.warn(line); });
}

void PopulationWatch::change(const AlarmConfig& config) {
    watcher_->change(config);
    std::unique_ptr<Webhook> former;  // destroyed after the lock is released, because it can wait for a receiver
    const std::lock_guard lock(mutex_);
    if (config.webhook == webhook_url_) return;
    auto made = make_webhook(config.webhook);  // can throw when it starts its thread
    webhook_url_ = config.webhook;
    former = std::exchange(webhook_, std::move(made));
}

void PopulationWatch::on_sample(const PopulationSample& sample) {
    if (!feed_.wanted(FeedKind::sample)) return;
    feed_.publish(FeedKind::sample, render_sample(sample.point, sample.status, sample.alarms_active));
}

void PopulationWatch::on_alarm(const Alarm& alarm) {
    const std::string json = render_alarm(alarm);
    if (feed_.wanted(FeedKind::alarm)) feed_.publish(FeedKind::alarm, json);
    {
        const std::lock_guard lock(mutex_);
        if (webhook_) webhook_->post(json);
    }
    log_.warn(alarm.cleared_at ? "alarm cleared" : "alarm", {{"alarm", to_string(alarm.kind)},
                                                             {"listener", alarm.listener},
                                                             {"summary", alarm.summary},
                                                             {"cause", alarm.cause},
                                                             {"advice", alarm.advice}});
}

void PopulationWatch::on_inquiry(const Inquiry& inquiry) {
    log_.info("probed connections on suspicion and marked the silent ones",
              {{"listener", inquiry.listener},
               {"peer", inquiry.suspect.peer ? to_string(*inquiry.suspect.peer) : "all peers"},
               {"asked", std::to_string(inquiry.found.asked)},
               {"silent", std::to_string(inquiry.found.silent.size())},
               {"waited", format_duration(inquiry.found.waited)}});
}

}  // namespace holdfast
