#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alarm/churn.h"
#include "alarm/listener_step.h"
#include "alarm/losses.h"
#include "alarm/window_statistics.h"

namespace holdfast {

/// Watches one listener for drops of its population: docs/tasks/alarms.md, "population_drop", has the rules. Owns the
/// counts of the window, the usual churn, and up to four active drops. One thread; gone() ends the active
/// alarms.
class DropWatch {
public:
    static constexpr std::chrono::seconds look_every{5};     ///< at a growing drop
    static constexpr std::chrono::seconds report_after{5};   ///< the second report; each later one waits twice as long
    static constexpr std::chrono::minutes report_within{5};  ///< at most
    static constexpr std::chrono::seconds grown_after{60};   ///< without growth for this time, the drop ends
    static constexpr std::chrono::seconds calm_for{30};      ///< recovered for this time: cleared
    /// Without growth or recovery: the remaining population is normal.
    static constexpr std::chrono::minutes new_normal{15};
    static constexpr std::size_t max_active = 4;

    void evaluate(const Sample& sample, const ListenerStep& step);
    void gone(AlarmBook& book);

    /// Returns how long ends must be kept for it while no drop grows.
    [[nodiscard]] static std::chrono::milliseconds memory(const AlarmConfig& settings) {
        return settings.window + settings.recover_within + std::chrono::minutes(1);
    }
    /// Returns the time from which the ends and the population are still needed.
    [[nodiscard]] std::chrono::steady_clock::time_point needs_since(std::chrono::steady_clock::time_point now,
                                                                    const AlarmConfig& settings) const;

private:
    using Time = std::chrono::steady_clock::time_point;

    /// An active alarm.
    struct Drop {
        std::uint64_t id = 0;
        CloseClasses classes{};
        bool not_back = false;
        bool growing = true;
        Time first;
        Time looked_at;
        Time last_growth;
        std::size_t grown_to = 0;  // the count at last_growth
        std::string told;          // the summary reported last
        Time report_at;            // not earlier
        std::chrono::seconds pause = report_after;
        std::optional<Time> calm_since;
    };
    /// Ends that may be a restart: the devices should reconnect in time.
    struct Pending {
        Time since;
        std::uint64_t before = 0;
        double max = 0;  // ends in the window
        double unusual = 0;
        Time max_at;
        CloseClasses classes{};
    };

    void learn(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] double usual(const Sample& sample, std::size_t close_class) const;
    [[nodiscard]] CloseClasses unusual_classes(const Sample& sample) const;

    void detect(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] bool are_unusual(const Sample& sample) const;
    [[nodiscard]] bool at_once(const Sample& sample, const ListenerStep& step, double need) const;
    [[nodiscard]] bool one_address_reset(const Sample& sample, const ListenerStep& step, double need) const;
    [[nodiscard]] bool whole_prefix(const Sample& sample, const ListenerStep& step, double min);
    void watch_return(const Sample& sample, const ListenerStep& step, double need);
    void check_return(const Sample& sample, const ListenerStep& step);

    /// Raises the drop if the population fell by it. Returns false otherwise.
    bool raise_if_fallen(const Sample& sample, const ListenerStep& step, double min);
    void raise(const Sample& sample, const ListenerStep& step, const Losses& losses, Drop drop);
    [[nodiscard]] Losses losses_since(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                                      Time since) const;
    void grow(const Sample& sample, const ListenerStep& step, Drop& drop);
    void look_again(const Sample& sample, const ListenerStep& step, Drop& drop);
    static void report(const Sample& sample, Drop& drop);
    void forget(Time now);
    /// Returns true once the drop's alarm is cleared.
    [[nodiscard]] bool over(const Sample& sample, const ListenerStep& step, Drop& drop);

    WindowSum<close_class_count> window_;
    Churn churn_;
    Time forgotten_until_{};
    Time prefix_looked_at_{};
    std::optional<Pending> pending_;
    std::vector<Drop> drops_;  // oldest first
};

}  // namespace holdfast
