#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "fleet/record.h"

namespace holdfast {

/// Decides by the beats whether this gateway may take part in the fleet: not while another gateway with its name or its
/// spool does. A former run at the same place has ended, because this process holds the lock on the spool's directory.
/// Pure; one thread.
class TwinWatch {
public:
    /// Time within which a living twin beats.
    static constexpr std::chrono::milliseconds proof_within{5'000};

    /// Takes this gateway's identity: the name, run, since, spool and place of its own beats.
    TwinWatch(GatewayRecord self, std::chrono::milliseconds lost_after)
        : self_(std::move(self)), lost_after_(lost_after) {}

    /// Starts a snapshot: stored beats follow until complete().
    void begin(SteadyTime now);
    void complete() { is_complete_ = true; }
    void heard(const GatewayRecord& beat, SteadyTime now);

    enum class Part : std::uint8_t { waits, takes, refused };
    [[nodiscard]] Part part(SteadyTime now);
    /// Returns a description of a living twin, or an empty text if there is none.
    [[nodiscard]] std::string twin(SteadyTime now) const;

private:
    struct Rival {
        GatewayRecord beat;
        SteadyTime first;  ///< time of its first beat here
        SteadyTime latest;
        unsigned beats = 0;
    };
    [[nodiscard]] bool is_rival(const GatewayRecord& beat) const;
    [[nodiscard]] bool lives(const Rival& rival, SteadyTime now) const;
    [[nodiscard]] bool yields_to(const Rival& rival) const;
    void heard_self(SteadyTime now);

    const GatewayRecord self_;
    const std::chrono::milliseconds lost_after_;
    std::map<std::uint32_t, Rival> rivals_;  // by run
    bool is_complete_ = false;
    bool takes_part_ = false;
    bool was_away_ = false;  // for longer than `lost_after`
    std::optional<SteadyTime> heard_self_;
    SteadyTime hearing_since_{};
};

}  // namespace holdfast
