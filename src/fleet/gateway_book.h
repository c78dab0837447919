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
inline constexpr std::chrono::milliseconds silent_after{6'000};  ///< its devices are shown as unknown
/// A gateway's own beat has come back so lately: what it hears of others, and that it hears nothing, can be trusted.
inline constexpr std::chrono::milliseconds hears_within{4'500};
/// The survivors deal with a lost gateway one after another, in case the first is lost too.
inline constexpr std::chrono::milliseconds survivor_step{2'000};

enum class GatewayState : std::uint8_t { online, silent, lost, stopped };
[[nodiscard]] std::string_view to_string(GatewayState state) noexcept;

/// What one gateway knows of all by their beats. Silence is measured by its own clock, and only while it hears its own
/// beats: when NATS was away, or this process was stopped, nobody is lost for it. Pure; one thread.
class GatewayBook {
public:
    GatewayBook(std::string self, std::uint32_t run, std::chrono::milliseconds lost_after)
        : self_(std::move(self)), run_(run), lost_after_(lost_after) {}

    struct Gateway {
        GatewayRecord record;
        SteadyTime heard;         ///< its latest beat, or when it was first spoken of
        std::uint64_t beats = 0;  ///< heard of this run
        bool lost = false;        ///< declared, until it beats again
        bool taken_over = false;  ///< this gateway has dealt with its devices since
    };

    /// A beat that came by the watch; those that are old news at its start too.
    void heard(const GatewayRecord& beat, SteadyTime now);
    /// A gateway that a device's record names, and of which there may be no beat.
    void mentioned(const std::string& name, SteadyTime now);
    /// Lost or stopped before `before`, and of no interest any more.
    [[nodiscard]] std::vector<std::string> long_gone(SteadyTime before) const;
    void removed(const std::string& name) { gateways_.erase(name); }

    struct Judgement {
        std::vector<std::string> lost;       ///< for the first time
        std::vector<std::string> take_over;  ///< whose devices this one is to deal with now
    };
    [[nodiscard]] Judgement judge(SteadyTime now);

    /// Whether this one hears itself.
    [[nodiscard]] bool hears(SteadyTime now) const { return heard_self_ && now - *heard_self_ <= hears_within; }
    /// When this one's latest beat came back.
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
    SteadyTime hearing_since_{};  // without a gap
};

}  // namespace holdfast
