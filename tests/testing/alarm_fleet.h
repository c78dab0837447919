#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include <holdfast/liveness.h>

#include "alarm/alarm_engine.h"

namespace holdfast {

/// Fleet of 6,000 (at night) to 10,000 devices (by day) in sites, second by second, with ordinary churn of all reasons.
/// An engine observes it. A site can be restarted and cut off. Everything follows from the seed.
class TestFleet {
public:
    using Seconds = std::int64_t;
    static constexpr Seconds day = 86'400;

    struct Site {
        Prefix prefix;
        double weight = 0;         // percent of the population
        std::uint64_t count = 0;   // connected
        std::uint64_t recent = 0;  // those among them since the mark
        std::uint64_t away = 0;    // will be back
    };

    explicit TestFleet(std::uint64_t seed) : random_(seed), engine({}) {
        static constexpr std::array<std::pair<const char*, double>, 9> sites_of_note{{{"10.1.0.0/16", 16},
                                                                                      {"10.2.0.0/16", 10},
                                                                                      {"10.3.0.0/16", 7.5},
                                                                                      {"172.16.0.0/20", 6.5},
                                                                                      {"172.16.16.0/20", 6.5},
                                                                                      {"172.16.32.0/20", 6.5},
                                                                                      {"192.0.2.7", 6.5},
                                                                                      {"2001:db8:1::/48", 8},
                                                                                      {"2001:db8:2::/48", 6.5}}};
        for (const auto& [prefix, weight] : sites_of_note) sites.push_back({parse_prefix(prefix).value(), weight});
        for (int i = 0; i < 13; ++i) {
            sites.push_back({parse_prefix("10." + std::to_string(64 + i) + ".0.0/16").value(), 2});
        }
        for (std::size_t i = 0; i < sites.size(); ++i) {
            by_weight_.insert(by_weight_.end(), static_cast<std::size_t>(2 * sites[i].weight), i);
        }
        status_.listeners.resize(1);
        listener().name = "devices";
        listener().plan = plan_liveness(std::chrono::seconds(30)).value();
        while (total_ < 8'000) come(by_weight_[random_() % by_weight_.size()]);
    }

    /// Advances by a second, and returns the alarms at its end.
    std::vector<Alarm> second() {
        ++now_;
        churn();
        for (Restart& restart : restarts_) go_on(restart);
        std::erase_if(restarts_, [&](const Restart& restart) { return now_ - restart.at > restart.spread + 120; });
        listener().items += total_ / 30;
        listener().bad_items[0] += now_ % 20 == 0 ? 1 + random_() % 5 : 0;
        listener().connections = total_;
        return engine.evaluate({.now = time(),
                                .wall = EventTime(std::chrono::seconds(now_)),
                                .status = status_,
                                .sink = {},
                                .reconciled = nullptr,
                                .census = [this] { return census(); }});
    }

    /// Ends one connection of the site, which comes back only if it is `away`.
    void end(std::size_t site, CloseReason reason) {
        Site& of = sites[site];
        Observation seen;
        seen.kind = Observation::Kind::closed;
        seen.reason = reason;
        seen.peer = address(site, of.count - 1);
        seen.at = time() - std::chrono::milliseconds(random_() % 1'000);
        seen.lived = std::chrono::hours(1);
        seen.last_heard = std::chrono::seconds(20);
        engine.note(seen);
        ++listener().closed[static_cast<std::size_t>(reason)];
        --of.count;
        of.recent -= of.recent > 0 ? 1 : 0;
        --total_;
    }
    void come(std::size_t site) {
        ++sites[site].count;
        ++sites[site].recent;
        ++total_;
        ++listener().accepted;
    }
    /// Ends a connection that returns later; until then the population is smaller by one.
    void leave(std::size_t site) {
        ++sites[site].away;
        ++away_;
    }
    void come_back(std::size_t site) {
        --sites[site].away;
        --away_;
        come(site);
    }
    /// Separates later arrivals from the connections that exist now.
    void mark() {
        for (Site& site : sites) site.recent = 0;
    }
    /// Ends all of a site's connections within `spread` seconds; they are back between 20 and 100 s after.
    void restart(std::size_t site, Seconds spread, CloseReason reason) {
        restarts_.push_back({site, sites[site].count, now_, spread, reason, 0, 0});
    }

    [[nodiscard]] Seconds now() const { return now_; }
    [[nodiscard]] std::uint64_t total() const { return total_; }
    /// Returns a site of at least `percent` of the population.
    [[nodiscard]] std::size_t site_of(double min, double max) {
        for (;;) {
            const std::size_t site = random_() % sites.size();
            const double share = 100.0 * static_cast<double>(sites[site].count) / static_cast<double>(total_);
            if (share >= min && share <= max) return site;
        }
    }
    [[nodiscard]] std::mt19937_64& random() { return random_; }

    std::vector<Site> sites;

private:
    struct Restart {
        std::size_t site;
        std::uint64_t size;
        Seconds at;
        Seconds spread;
        CloseReason reason;
        std::uint64_t ended;
        std::uint64_t back;
    };

    ListenerStatus& listener() { return status_.listeners.front(); }
    [[nodiscard]] std::chrono::steady_clock::time_point time() const {
        return std::chrono::steady_clock::time_point(std::chrono::seconds(1'000'000 + now_));
    }

    [[nodiscard]] std::uint64_t poisson(double mean) {
        const double limit = std::exp(-mean);
        std::uint64_t count = 0;
        for (double product = uniform(); product > limit; product *= uniform()) ++count;
        return count;
    }
    [[nodiscard]] double uniform() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }

    void churn() {
        static constexpr double lifetime_s = 7'200;
        const double phase = 2 * std::numbers::pi * static_cast<double>(now_) / day;
        double target = 8'000 - 2'000 * std::cos(phase);
        const double slope = 2'000 * 2 * std::numbers::pi / day * std::sin(phase);
        target -= static_cast<double>(away_);
        const double deaths = static_cast<double>(total_) / lifetime_s;
        const double arrivals = deaths + slope + (target - static_cast<double>(total_)) / 1'800;
        for (std::uint64_t i = poisson(deaths); i > 0; --i) end_any();
        for (std::uint64_t i = arrivals > 0 ? poisson(arrivals) : 0; i > 0; --i) {
            const std::size_t site = by_weight_[random_() % by_weight_.size()];
            if (sites[site].away == 0) come(site);
        }
    }
    void end_any() {
        std::uint64_t index = random_() % total_;
        std::size_t site = 0;
        while (index >= sites[site].count) index -= sites[site++].count;
        end(site, ordinary_reason());
    }
    [[nodiscard]] CloseReason ordinary_reason() {
        static constexpr std::array<std::pair<CloseReason, unsigned>, 11> out_of_1000{
            {{CloseReason::peer_closed, 700},
             {CloseReason::peer_reset, 130},
             {CloseReason::keepalive_expired, 80},
             {CloseReason::retransmit_expired, 30},
             {CloseReason::read_idle, 15},
             {CloseReason::unreachable, 10},
             {CloseReason::window_stalled, 10},
             {CloseReason::item_deadline, 10},
             {CloseReason::kicked, 5},
             {CloseReason::item_too_large, 5},
             {CloseReason::too_many_bad_items, 5}}};
        auto drawn = static_cast<unsigned>(random_() % 1'000);
        for (const auto& [reason, part] : out_of_1000) {
            if (drawn < part) return reason;
            drawn -= part;
        }
        return CloseReason::peer_closed;
    }
    void go_on(Restart& restart) {
        const auto part = [&](Seconds from, Seconds over) {
            const double share = static_cast<double>(now_ - restart.at - from) / static_cast<double>(over);
            return static_cast<std::uint64_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(restart.size));
        };
        Site& site = sites[restart.site];
        for (; restart.ended < part(0, restart.spread) && site.count > 0; ++restart.ended) {
            end(restart.site, restart.reason);
            leave(restart.site);
        }
        for (; restart.back < part(20, restart.spread + 80) && site.away > 0; ++restart.back) come_back(restart.site);
    }
    [[nodiscard]] IpAddress address(std::size_t site, std::uint64_t index) const {
        IpAddress address = sites[site].prefix.address;
        std::uint64_t host = (index + 1) * 0x9e37'79b9'7f4a'7c15U;
        for (unsigned byte = 16; byte-- > 0; host = host >> 8U | host << 56U) {
            const unsigned bits = sites[site].prefix.bits;
            const unsigned keep = bits >= 8 * (byte + 1) ? 8 : bits > 8 * byte ? bits - 8 * byte : 0;
            address.bytes[byte] |= static_cast<std::uint8_t>((host >> 24U) & (0xffU >> keep));
        }
        return address;
    }
    [[nodiscard]] std::vector<CensusEntry> census() const {
        std::vector<CensusEntry> entries;
        for (std::size_t site = 0; site < sites.size(); ++site) {
            for (std::uint64_t i = 0; i < sites[site].count; ++i) {
                const bool old = i + sites[site].recent < sites[site].count;
                entries.push_back(
                    {0, address(site, i), time() - (old ? std::chrono::hours(2) : std::chrono::hours(0))});
            }
        }
        return entries;
    }

    std::mt19937_64 random_;
    std::vector<std::size_t> by_weight_;
    std::vector<Restart> restarts_;
    ServerStatus status_;
    std::uint64_t total_ = 0;
    std::uint64_t away_ = 0;
    Seconds now_ = 0;

public:
    AlarmEngine engine;
};

}  // namespace holdfast
