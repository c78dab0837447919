#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "daemon/admin_endpoints.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "daemon/stopped_gateway.h"
#include "options/daemon_config.h"
#include "watch/watch_view.h"

namespace holdfast {

/// The gateway while the disk lacks space for its spool. Serves the admin API, with 503 on /healthz and /readyz and an
/// alarm, and opens no listener. Used by the main thread; ends by its destructor.
class SpaceWait {
public:
    SpaceWait(const DaemonConfig& config, Log& log, const Notifier& manager)
        : config_(config), log_(log), manager_(manager) {}

    struct Work {
        std::function<std::optional<std::string>()> lack;  ///< shortage of the disk; nullopt: none
        std::function<std::optional<Error>()> start;       ///< needs the space
    };
    /// Starts at once if the disk has the space, and otherwise waits for it. Returns false if SIGTERM ended the wait.
    [[nodiscard]] Result<bool> run(Signals& signals, const Work& work);

private:
    [[nodiscard]] std::optional<Error> open(const std::string& lack);
    /// Stores the latest shortage, and notifies the service manager that the gateway is alive.
    void tell(const std::string& lack);
    class Watch final : public WatchView {
    public:
        explicit Watch(const SpaceWait& wait) : wait_(wait) {}
        [[nodiscard]] TrendAnswer trend(const TrendQuery&) override { return {}; }
        [[nodiscard]] AlarmBoard alarms() override;
        [[nodiscard]] std::optional<AlarmDetail> alarm(std::uint64_t id) override;
        [[nodiscard]] std::vector<AlarmOfDevice> alarms_of(std::string_view) override { return {}; }
        bool acknowledge(std::uint64_t, std::optional<std::string>) override { return false; }
        [[nodiscard]] SuspicionStatus suspicion() override { return {}; }
        [[nodiscard]] std::optional<Reconciliation> reconciled() override { return std::nullopt; }
        [[nodiscard]] Reconciliation reconcile_now() override { return {}; }

    private:
        const SpaceWait& wait_;
    };
    [[nodiscard]] std::string lack() const;
    [[nodiscard]] SinkStatus sink_status() const;

    const DaemonConfig& config_;
    Log& log_;
    const Notifier& manager_;
    mutable std::mutex mutex_;
    std::string lack_;  // guarded by mutex_
    bool is_open_ = false;
    SteadyTime since_;
    StoppedGateway gateway_;
    Watch watch_{*this};
    AdminEndpoints admin_{log_};  // last: its threads use the other members
};

}  // namespace holdfast
