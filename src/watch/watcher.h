#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "alarm/alarm_engine.h"
#include "detect/failure_detector.h"
#include "detect/link_monitor.h"
#include "options/daemon_config.h"
#include "tcp/route.h"
#include "trend/trend.h"
#include "watch/member_watch.h"
#include "watch/watch_view.h"

namespace holdfast {

/// Result of probing a suspect prefix.
struct Inquiry {
    Suspect suspect;
    std::string listener;  ///< its name
    ProbeSummary found;    ///< those in `silent` are marked, and probed until they answer or end
};

/// The population of one second.
struct PopulationSample {
    TrendPoint point;
    const ServerStatus& status;
    std::size_t alarms_active = 0;
};

/// Watches a Server's population: trend, alarms, failure detection, own links, reconciliation. Owns a thread that looks
/// five times a second, one that reconciles every minute, and up to four that wait for probes. The Server must outlive
/// it. Ends with stop(), which waits for probes under way; stop the Server's reactors first to shorten that.
class Watcher final : public WatchView {
public:
    struct Options {
        AlarmConfig alarms;
        std::chrono::milliseconds reconcile_every{60'000};
        std::function<SinkStatus()> sink;  ///< may be empty, as `fleet`
        std::function<FleetStatus()> fleet;
        // Called on the watch's thread; none may block.
        std::function<void(const Alarm&)> on_alarm;  ///< raised, or cleared if cleared_at is set
        std::function<void(const Inquiry&)> on_inquiry;
        std::function<void(const PopulationSample&)> on_sample;  ///< once a second
        std::string former_trend = {};                           ///< saved_trend() of an earlier process
        MemberWatch::OnlineElsewhere online_elsewhere = {};      ///< for alarm(); called on its thread
        AlarmHistory former_alarms = {};                         ///< alarm_history() of it
    };

    Watcher(Server& server, Options options);
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher() override { stop(); }

    void stop();
    /// Applies new settings at run time. Any thread.
    void change(const AlarmConfig& alarms);

    [[nodiscard]] std::string saved_trend() const { return trend_.saved(); }
    [[nodiscard]] AlarmHistory alarm_history();
    TrendAnswer trend(const TrendQuery& query) override { return trend_.answer(query); }
    AlarmBoard alarms() override;
    std::optional<AlarmDetail> alarm(std::uint64_t id) override;
    std::vector<AlarmOfDevice> alarms_of(std::string_view device) override {
        return members_.of_device(alarms(), device);
    }
    bool acknowledge(std::uint64_t id, std::optional<std::string> note) override;
    SuspicionStatus suspicion() override;
    std::optional<Reconciliation> reconciled() override;
    Reconciliation reconcile_now() override;

private:
    using Time = std::chrono::steady_clock::time_point;
    struct Question {
        Suspect suspect;
        Time asked;
        std::future<ProbeSummary> answer;
    };

    void watch();
    /// Takes one look. Advances `next_sample` if a sample was due.
    void look(Time now, Time& next_sample);
    void take_note();
    void probe_suspects(Time now);
    [[nodiscard]] std::string name_of(std::uint8_t listener) const;
    [[nodiscard]] bool take_answers(Time now);
    [[nodiscard]] bool is_settling(Time now) const;
    void evaluate(Time now, bool sample);
    /// Publishes the board, with acknowledgements that the engine has not seen.
    void publish(AlarmBoard board);
    struct Moment {
        Time steady;
        EventTime wall;
    };
    void take_sample(Moment at, const ServerStatus& status, std::size_t alarms_active);
    void reconcile_regularly();
    /// Returns false when it is time to end.
    [[nodiscard]] bool sleep_until(Time when);

    Server& server_;
    Options options_;  // unchanged after the constructor
    Trend trend_;

    std::mutex mutex_;
    std::condition_variable stopping_;
    bool stop_ = false;  // guarded by mutex_, as are the members down to reconciled_
    bool suspicion_on_;
    std::optional<AlarmConfig> new_settings_;
    AlarmBoard board_;
    std::vector<std::pair<std::uint64_t, std::optional<Acknowledgement>>> acknowledged_;  // for the engine
    SuspicionStatus suspicion_status_;
    std::optional<Reconciliation> reconciled_;

    // Used by the watch's thread only.
    AlarmEngine engine_;
    FailureDetector suspicion_;
    RouteTable routes_;
    LinkMonitor links_;
    std::list<Question> questions_;
    MemberWatch members_;  // detail(): any thread

    std::thread watching_;
    std::thread reconciling_;
};

}  // namespace holdfast
