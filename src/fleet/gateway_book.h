#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "fleet/record.h"

namespace holdfast {

inline constexpr std::chrono::milliseconds beat_interval{2'000};
inline constexpr std::chrono::milliseconds silent_after{6'000};  ///< then its devices are shown as unknown
/// Maximum age of a gateway's own latest returned beat. Within it, both the beats of others and their silence are
/// reliable.
inline constexpr std::chrono::milliseconds hears_within{4'500};
/// Delay between survivors, which take over a lost gateway in turn, in case the first is lost too.
inline constexpr std::chrono::milliseconds survivor_step{2'000};

enum class GatewayState : std::uint8_t { online, silent, lost, stopped };
[[nodiscard]] std::string_view to_string(GatewayState state) noexcept;

/// State of all gateways according to their beats. The clock of this gateway measures silence, and only while its own
/// beats return. No gateway counts as lost while NATS was away or this process was stopped. Pure; one thread.
class GatewayBook {
public:
    GatewayBook(std::string self, std::uint32_t run, std::chrono::milliseconds lost_after)
        : self_(std::move(self)), run_(run), lost_after_(lost_after) {}

    struct Gateway {
        GatewayRecord record;
        SteadyTime heard;         ///< time of its latest beat, or of its first mention
        std::uint64_t beats = 0;  ///< received of this run
        bool lost = false;        ///< declared lost until it beats again
        bool taken_over = false;  ///< this gateway has handled its devices since
    };

    /// Records a beat from the watch, including the stored beats at its start.
    void heard(const GatewayRecord& beat, SteadyTime now);
    /// Records a gateway that a device's record names, and which may have no beat.
    void mentioned(const std::string& name, SteadyTime now);
    /// Returns the gateways that were lost or stopped before `before`, to be forgotten.
    [[nodiscard]] std::vector<std::string> long_gone(SteadyTime before) const;
    void removed(const std::string& name) { gateways_.erase(name); }

    struct Judgement {
        std::vector<std::string> lost;       ///< declared for the first time
        std::vector<std::string> take_over;  ///< gateways whose devices this one handles now
    };
    [[nodiscard]] Judgement classify(SteadyTime now);

    /// Returns true if this gateway receives its own beats.
    [[nodiscard]] bool hears(SteadyTime now) const { return heard_self_ && now - *heard_self_ <= hears_within; }
    /// Returns the time when its own latest beat returned.
    [[nodiscard]] std::optional<SteadyTime> heard_self() const { return heard_self_; }

    [[nodiscard]] GatewayState state_of(const std::string& name, SteadyTime now) const;
    [[nodiscard]] const std::map<std::string, Gateway>& all() const { return gateways_; }
    [[nodiscard]] const Gateway* find(const std::string& name) const;

private:
    [[nodiscard]] std::chrono::milliseconds silence(const Gateway& gateway, SteadyTime now) const;
    [[nodiscard]] unsigned rank() const;

    std::string self_;
    std::uint32_t run_;
    std::chrono::milliseconds lost_after_;
    std::map<std::string, Gateway> gateways_;
    std::optional<SteadyTime> heard_self_;
    SteadyTime hearing_since_{};  // start of the period without a gap
};

}  // namespace holdfast
