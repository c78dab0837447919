#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <holdfast/status.h>

#include "alarm/drop_watch.h"
#include "alarm/idle_timeout_watch.h"
#include "alarm/listener_alarms.h"
#include "alarm/silent_watch.h"
#include "alarm/storm_watch.h"

namespace holdfast {

/// All watches of one listener. Owns what they have learned. Ends with end(), when the listener does.
class ListenerWatch {
public:
    /// Treats everything that `status` counts already as past.
    explicit ListenerWatch(const ListenerStatus& status)
        : name_(status.name), number_(status.number), last_(counts_of(status)) {}

    [[nodiscard]] bool is_of(const ListenerStatus& status) const {
        return number_ == status.number && name_ == status.name;
    }
    void note(const Observation& observation);
    void evaluate(const Sample& sample, const ListenerStatus& status);
    void end(AlarmBook& book);
    /// Returns the time from which the ends are still needed.
    [[nodiscard]] CloseLog::Time needs_since(CloseLog::Time now, const AlarmConfig& settings) const {
        return drops_.needs_since(now, settings);
    }

private:
    struct Counts {
        std::uint64_t accepted = 0;
        std::uint64_t refused_descriptors = 0;
        std::array<std::uint64_t, close_reason_count> closed{};
        std::uint64_t items = 0;
        std::array<std::uint64_t, bad_item_count> bad_items{};
        std::uint64_t suspected = 0;
        std::uint64_t recovered = 0;
    };
    [[nodiscard]] static Counts counts_of(const ListenerStatus& status);
    [[nodiscard]] ListenerStep step_to(const ListenerStatus& status);

    std::string name_;
    std::uint8_t number_;
    LivenessPlan plan_;
    Counts last_;
    PopulationHistory history_;
    DropWatch drops_;
    StormWatch storm_;
    ItemWatch items_;
    KeepaliveWatch keepalive_;
    AcceptWatch accepting_;
    SilentWatch silent_;
    IdleTimeoutWatch idle_timeout_;
};

}  // namespace holdfast
