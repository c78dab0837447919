#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <holdfast/server.h>

#include "alarm/webhook.h"
#include "daemon/log.h"
#include "options/daemon_config.h"
#include "trend/event_hub.h"
#include "watch/watcher.h"

namespace holdfast {

/// The daemon's monitor of its population. Logs the findings of its Watcher and sends them to the live feed and the
/// webhook. Stop it after the server's reactors end and before the server is destroyed.
class PopulationWatch {
public:
    PopulationWatch(Server& server, const AlarmConfig& config, std::function<SinkStatus()> sink,
                    std::function<FleetStatus()> fleet, Log& log, EventHub& feed);

    [[nodiscard]] WatchView& view() { return *watcher_; }
    /// Applies the settings of a reload. Any thread.
    void change(const AlarmConfig& config);
    void stop() { watcher_->stop(); }

private:
    void on_sample(const PopulationSample& sample);
    void on_alarm(const Alarm& alarm);
    void on_inquiry(const Inquiry& inquiry);

    [[nodiscard]] std::unique_ptr<Webhook> make_webhook(const std::string& url);

    Log& log_;
    EventHub& feed_;
    std::mutex mutex_;
    std::string webhook_url_;           // guarded by mutex_
    std::unique_ptr<Webhook> webhook_;  // guarded by mutex_; empty: no webhook
    std::unique_ptr<Watcher> watcher_;
};

}  // namespace holdfast
