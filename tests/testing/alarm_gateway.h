#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/liveness.h>

#include "alarm/alarm_engine.h"

namespace holdfast {

/// A gateway with one listener, for tests of an engine. The test connects and ends its connections.
class AlarmGateway {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit AlarmGateway(const AlarmConfig& settings = {}) : engine(settings) {
        status.listeners.resize(1);
        listener().name = "devices";
        listener().plan = plan_liveness(std::chrono::seconds(30)).value();
    }

    ListenerStatus& listener() { return status.listeners.front(); }

    void come(const IpAddress& peer) {
        living.push_back({listener().number, peer, now, false, ++ports_});
        ++listener().accepted;
        listener().connections = living.size();
    }
    void come(const std::string& first, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) come(nth(first, i));
    }
    /// Ends the first of `peer`.
    void end(const IpAddress& peer, CloseReason reason, std::chrono::milliseconds last_heard = {}) {
        const auto found =
            std::find_if(living.begin(), living.end(), [&](const CensusEntry& entry) { return entry.peer == peer; });
        if (found != living.end()) end_at(static_cast<std::size_t>(found - living.begin()), reason, last_heard);
    }
    void end(const std::string& first, std::size_t count, CloseReason reason) {
        for (std::size_t i = 0; i < count; ++i) end(nth(first, i), reason);
    }
    void end_at(std::size_t index, CloseReason reason, std::chrono::milliseconds last_heard = {},
                bool bad_items = false, std::chrono::milliseconds quiet = {}) {
        Observation seen;
        seen.kind = Observation::Kind::closed;
        seen.reason = reason;
        seen.listener = listener().number;
        seen.peer = living[index].peer;
        seen.port = living[index].port;
        seen.at = now;
        seen.lived = std::chrono::duration_cast<std::chrono::milliseconds>(now - living[index].opened);
        seen.last_heard = last_heard;
        seen.bad_items = bad_items;
        seen.quiet = quiet;
        engine.note(seen);
        ++listener().closed[static_cast<std::size_t>(reason)];
        living.erase(living.begin() + static_cast<std::ptrdiff_t>(index));
        listener().connections = living.size();
    }

    /// Advances by a second, and returns the alarms.
    std::vector<Alarm> second() {
        now += std::chrono::seconds(1);
        return evaluate();
    }
    std::vector<Alarm> evaluate() {
        const EventTime wall(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()) + stepped);
        std::vector<Alarm> news = engine.evaluate({.now = now,
                                                   .wall = wall,
                                                   .status = status,
                                                   .sink = sink,
                                                   .fleet = fleet,
                                                   .reconciled = reconciled ? &*reconciled : nullptr,
                                                   .census = [this] { return living; },
                                                   .links = links});
        told.insert(told.end(), news.begin(), news.end());
        return news;
    }
    void seconds(int count) {
        for (int i = 0; i < count; ++i) second();
    }

    [[nodiscard]] std::vector<Alarm> active() const { return engine.board().active; }
    [[nodiscard]] std::vector<Alarm> recent() const { return engine.board().recent; }

    static IpAddress nth(const std::string& first, std::size_t n) {
        IpAddress address = parse_ip_address(first).value();
        for (std::size_t i = 16; n > 0 && i-- > 0; n >>= 8U) {
            n += address.bytes[i];
            address.bytes[i] = static_cast<std::uint8_t>(n);
        }
        return address;
    }

    AlarmEngine engine;
    ServerStatus status;
    SinkStatus sink;
    FleetStatus fleet;
    std::optional<Reconciliation> reconciled;
    std::vector<CensusEntry> living;
    std::vector<LinkOutage> links;
    std::vector<Alarm> told;  ///< all results of the evaluations
    Time now{std::chrono::hours(1'000)};
    std::chrono::milliseconds stepped{};  ///< by which the wall clock was set

private:
    std::uint16_t ports_ = 0;  // of peers so far
};

}  // namespace holdfast
