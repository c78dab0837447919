#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <holdfast/server.h>

#include "alarm/webhook.h"
#include "alarm/webhook_pace.h"
#include "api/webhook_message.h"
#include "daemon/bad_item_log.h"
#include "daemon/log.h"
#include "options/daemon_config.h"
#include "trend/event_hub.h"
#include "watch/watcher.h"

namespace holdfast {

/// The daemon's monitor of its population. Logs the findings of its Watcher and sends them to the live feed and the
/// webhook. Logs bad items. Stop it after the server's reactors end and before the server is destroyed.
class PopulationWatch {
public:
    struct Sources {
        std::function<SinkStatus()> sink;
        std::function<FleetStatus()> fleet;
        MemberWatch::OnlineElsewhere online_elsewhere = {};
        std::string former_trend = {};     ///< saved_trend() of an earlier process
        AlarmHistory former_alarms = {};   ///< alarm_history() of it
        std::function<void()> on_alarm{};  ///< after each change of an alarm; may be empty; must not block
    };
    PopulationWatch(Server& server, const AlarmConfig& config, Sources sources, Log& log, EventHub& feed);

    [[nodiscard]] std::string saved_trend() const { return watcher_->saved_trend(); }
    [[nodiscard]] AlarmHistory alarm_history() { return watcher_->alarm_history(); }

    [[nodiscard]] WatchView& view() { return *watcher_; }
    /// Applies the settings of a reload. Any thread.
    void change(const AlarmConfig& config);
    void stop() {
        watcher_->stop();
        bad_items_.report(std::chrono::steady_clock::now());
    }
    /// Sets the gateway's name, and the dashboard's URL for messages without an own one. Any thread.
    void set_origin(AlarmOrigin origin);

private:
    void on_sample(const PopulationSample& sample);
    void on_alarm(const Alarm& alarm);
    void on_inquiry(const Inquiry& inquiry);

    [[nodiscard]] std::unique_ptr<Webhook> make_webhook(const WebhookTarget& target);
    [[nodiscard]] AlarmOrigin origin() const;
    void post(const Alarm& alarm);
    void post_active_again();

    Log& log_;
    BadItemLog bad_items_;  // used by the watcher's thread, and by stop() after its end
    EventHub& feed_;
    const std::function<void()> alarm_changed_;
    std::mutex mutex_;  // guards the members down to webhook_
    AlarmConfig config_;
    AlarmOrigin origin_;
    WebhookTarget target_;
    std::unique_ptr<Webhook> webhook_;       // empty: no webhook
    WebhookPace pace_;                       // used by the watch's thread, as active_
    std::map<std::uint64_t, Alarm> active_;  // by id
    std::unique_ptr<Watcher> watcher_;
};

}  // namespace holdfast
