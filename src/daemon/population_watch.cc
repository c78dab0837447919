#include "daemon/population_watch.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "api/render.h"
#include "text/input_file.h"
#include "text/units.h"

namespace holdfast {

namespace {

/// Returns the receiver of the configuration. If the header's file can no longer be read, returns `former`.
WebhookTarget target_of(const AlarmConfig& config, const WebhookTarget& former, Log& log) {
    WebhookTarget target{.url = config.webhook};
    if (config.webhook.empty() || config.webhook_header_file.empty()) return target;
    auto header = read_header_file(config.webhook_header_file);
    if (header) {
        target.header = std::move(header.value());
        return target;
    }
    log.warn("kept the former webhook: " + header.error().message);
    return former;
}

EventTime wall_clock() { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

}  // namespace

PopulationWatch::PopulationWatch(Server& server, const AlarmConfig& config, Sources sources, Log& log, EventHub& feed)
    : log_(log),
      bad_items_([&server](const BadItemQuery& query) { return server.bad_items(query); }, log),
      feed_(feed),
      alarm_changed_(std::move(sources.on_alarm)),
      config_(config),
      target_(target_of(config, {}, log)),
      webhook_(make_webhook(target_)),
      watcher_(std::make_unique<Watcher>(
          server, Watcher::Options{.alarms = config,
                                   .sink = std::move(sources.sink),
                                   .fleet = std::move(sources.fleet),
                                   .on_alarm = [this](const Alarm& alarm) { on_alarm(alarm); },
                                   .on_inquiry = [this](const Inquiry& inquiry) { on_inquiry(inquiry); },
                                   .on_sample = [this](const PopulationSample& sample) { on_sample(sample); },
                                   .former_trend = std::move(sources.former_trend),
                                   .online_elsewhere = std::move(sources.online_elsewhere),
                                   .former_alarms = std::move(sources.former_alarms)})) {}

std::unique_ptr<Webhook> PopulationWatch::make_webhook(const WebhookTarget& target) {
    if (target.url.empty()) return nullptr;
    return std::make_unique<Webhook>(target, [this](const std::string& line) { log_.warn(line); });
}

void PopulationWatch::change(const AlarmConfig& config) {
    watcher_->change(config);
    std::unique_ptr<Webhook> former;  // destroyed after the lock is released, because it can wait for a receiver
    const std::lock_guard lock(mutex_);
    config_ = config;
    const WebhookTarget target = target_of(config, target_, log_);
    if (target == target_) return;
    auto made = make_webhook(target);  // can throw when it starts its thread
    target_ = target;
    former = std::exchange(webhook_, std::move(made));
}

void PopulationWatch::set_origin(AlarmOrigin origin) {
    const std::lock_guard lock(mutex_);
    origin_ = std::move(origin);
}

/// Returns the origin with the URL of the configuration. Call it with the lock.
AlarmOrigin PopulationWatch::origin() const {
    AlarmOrigin origin = origin_;
    if (!config_.dashboard_url.empty()) origin.dashboard = config_.dashboard_url;
    if (!origin.dashboard.empty() && !origin.dashboard.ends_with('/')) origin.dashboard += '/';
    return origin;
}

void PopulationWatch::on_sample(const PopulationSample& sample) {
    post_active_again();
    bad_items_.report(std::chrono::steady_clock::now());
    if (!feed_.wanted(FeedKind::sample)) return;
    feed_.publish(FeedKind::sample, render_sample(sample.point, sample.status, sample.alarms_active));
}

void PopulationWatch::post_active_again() {
    const std::lock_guard lock(mutex_);
    if (!webhook_ || !pace_.repeats(config_.webhook_form, std::chrono::steady_clock::now())) return;
    std::vector<Alarm> active;
    for (const auto& [id, alarm] : active_) active.push_back(alarm);
    if (!active.empty()) webhook_->post(alertmanager_message(active, origin(), wall_clock()));
}

void PopulationWatch::post(const Alarm& alarm) {
    const std::lock_guard lock(mutex_);
    if (!webhook_ || !pace_.wants(config_.webhook_form, alarm, std::chrono::steady_clock::now())) return;
    webhook_->post(webhook_message(config_.webhook_form, alarm, origin(), wall_clock()));
}

void PopulationWatch::on_alarm(const Alarm& alarm) {
    if (feed_.wanted(FeedKind::alarm)) feed_.publish(FeedKind::alarm, render_alarm(alarm));
    if (alarm.cleared_at) {
        active_.erase(alarm.id);
    } else {
        active_.insert_or_assign(alarm.id, alarm);
    }
    post(alarm);
    if (alarm_changed_) alarm_changed_();
    if (alarm.acknowledged && !alarm.cleared_at) {
        log_.warn("alarm acknowledged", {{"alarm", to_string(alarm.kind)},
                                         {"id", std::to_string(alarm.id)},
                                         {"note", alarm.acknowledged->note},
                                         {"summary", alarm.summary}});
        return;
    }
    log_.warn(alarm.cleared_at ? "alarm cleared" : "alarm", {{"alarm", to_string(alarm.kind)},
                                                             {"listener", alarm.listener},
                                                             {"summary", alarm.summary},
                                                             {"cause", alarm.cause},
                                                             {"advice", alarm.advice},
                                                             {"id", std::to_string(alarm.id)}});
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
