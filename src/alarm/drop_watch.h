#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "alarm/explain.h"
#include "alarm/listener_step.h"
#include "alarm/window_statistics.h"

namespace holdfast {

/// Watches one listener for drops of its population: docs/tasks/alarms.md, "population_drop", has the rules. Owns the
/// counts of the window, the learned background, and up to four active drops. One thread; gone() ends the active
/// alarms.
class DropWatch {
public:
    static constexpr std::chrono::seconds explain_every{5};
    static constexpr std::chrono::seconds grown_after{60};  ///< without growth for this time, the drop ends
    static constexpr std::chrono::seconds calm_for{30};     ///< recovered for this time: cleared
    /// Without growth or recovery: the remaining population is normal.
    static constexpr std::chrono::minutes new_normal{15};
    static constexpr std::size_t max_active = 4;

    void evaluate(const Sample& sample, const ListenerStep& step);
    void gone(AlarmBook& book);

    /// Returns how long ends must be kept for it.
    [[nodiscard]] static std::chrono::milliseconds memory(const AlarmConfig& settings) {
        return settings.window + settings.recover_within + std::chrono::minutes(1);
    }

private:
    using Time = std::chrono::steady_clock::time_point;

    /// An active alarm.
    struct Drop {
        std::uint64_t id = 0;
        Time first;
        CloseClasses classes{};
        bool not_back = false;
        bool growing = true;
        Time last_growth;
        Time explained_at;
        std::uint64_t unexplained = 0;  // ends since then
        double baseline = 0;            // background ends per second
        std::optional<Time> calm_since;
    };
    /// Ends that may be a restart: the devices should reconnect in time.
    struct Pending {
        std::uint64_t before = 0;
        double max = 0;  // ends in the window
        double unusual = 0;
        Time max_at;
        CloseClasses classes{};
    };

    void learn(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] double usual(const Sample& sample, std::size_t close_class) const;
    [[nodiscard]] double usual_a_second(const CloseClasses& classes) const;
    /// Returns the background: learned or, in the first minutes, measured in the window.
    [[nodiscard]] double baseline(const Sample& sample, const ListenerStep& step, const CloseClasses& classes) const;
    [[nodiscard]] CloseClasses unusual_classes(const Sample& sample) const;

    void detect(const Sample& sample, const ListenerStep& step);
    [[nodiscard]] bool at_once(const Sample& sample, const ListenerStep& step, double need) const;
    [[nodiscard]] bool one_address_reset(const Sample& sample, const ListenerStep& step, double need) const;
    [[nodiscard]] bool whole_prefix(const Sample& sample, const ListenerStep& step, double need);
    void watch_return(const Sample& sample, const ListenerStep& step, double need);
    void check_return(const Sample& sample, const ListenerStep& step);

    void raise(const Sample& sample, const ListenerStep& step, const CloseClasses& classes, bool not_back);
    [[nodiscard]] DropFacts facts_since(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                                        Time since) const;
    /// Returns the facts of the ends since then, scaled to the count of the window where not every end was recorded.
    [[nodiscard]] DropFacts counted_facts(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                                          bool not_back) const;
    void grow(const Sample& sample, const ListenerStep& step, Drop& drop);
    void explain_again(const Sample& sample, const ListenerStep& step, Drop& drop, double grown);
    void forget(Time now);
    /// Returns true once the drop's alarm is cleared.
    [[nodiscard]] static bool over(const Sample& sample, const ListenerStep& step, Drop& drop);

    WindowSum<close_class_count> window_;
    std::array<Usual, close_class_count> usual_;
    Time forgotten_until_{};
    Time prefix_looked_at_{};
    std::optional<Pending> pending_;
    std::vector<Drop> drops_;  // oldest first
};

}  // namespace holdfast
