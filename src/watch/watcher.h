#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <holdfast/server.h>

#include "alarm/alarm_engine.h"
#include "detect/failure_detector.h"
#include "detect/link_monitor.h"
#include "tcp/route.h"
#include "trend/trend.h"
#include "watch/watch_view.h"

namespace holdfast {

/// What came of asking a suspect.
struct Inquiry {
    Suspect suspect;
    std::string listener;  ///< its name
    ProbeSummary found;    ///< those in `silent` are marked, and probed until they answer or end
};

/// One second of the population.
struct PopulationSample {
    TrendPoint point;
    const ServerStatus& status;
    std::size_t alarms_active = 0;
};

/// The watch over a Server's population: trend, alarms, suspicion, own links, reconciliation. Owns a thread that looks
/// five times a second, one that reconciles every minute, and one for each question to a suspect (four at most). The
/// Server must outlive it. Ends by stop(), which waits for questions under way: stop the Server's reactors first, and
/// they are soon.
class Watcher final : public WatchView {
public:
    struct Options {
        AlarmSettings alarms;
        bool suspicion = true;
        std::chrono::milliseconds reconcile_every{60'000};
        std::function<SinkHealth()> sink;
        // On the watch's thread; none may block.
        std::function<void(const Alarm&)> on_alarm;  ///< raised, or with cleared_at cleared
        std::function<void(const Inquiry&)> on_inquiry;
        std::function<void(const PopulationSample&)> on_sample;  ///< once a second
    };

    Watcher(Server& server, Options options);
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher() override { stop(); }

    void stop();
    /// New settings while it runs. Any thread.
    void change(const AlarmSettings& alarms, bool suspicion);

    TrendAnswer trend(const TrendQuery& query) override { return trend_.answer(query); }
    AlarmBoard alarms() override;
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
    void take_note();
    void ask_suspects(Time now);
    [[nodiscard]] std::string name_of(std::uint8_t listener) const;
    [[nodiscard]] bool take_answers(Time now);
    [[nodiscard]] bool is_settling(Time now) const;
    void look(Time now, bool sample);
    void reconcile_regularly();
    /// False when it is time to end.
    [[nodiscard]] bool sleep_until(Time when);

    Server& server_;
    const Options options_;
    Trend trend_;

    std::mutex mutex_;
    std::condition_variable stopping_;
    bool stop_ = false;  // guarded by mutex_, as is all down to reconciled_
    bool suspicion_on_;
    std::optional<AlarmSettings> new_settings_;
    AlarmBoard board_;
    SuspicionStatus suspicion_status_;
    std::optional<Reconciliation> reconciled_;

    // The watch's thread only.
    AlarmEngine engine_;
    Suspicion suspicion_;
    RouteTable routes_;
    LinkMonitor links_;
    std::list<Question> questions_;

    std::thread watching_;
    std::thread reconciling_;
};

}  // namespace holdfast
