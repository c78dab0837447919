#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <holdfast/reason.h>

#include "base/clock.h"
#include "conn/connection.h"
#include "reactor/poller.h"

namespace holdfast {

/// Parameters of a stop on one reactor. The function is called on the reactor's thread.
struct StopTask {
    SteadyTime deadline;  ///< end of all reading
    /// Returns the framed item with the time to come back. If unset, devices are not notified.
    std::function<std::string(const Connection&, std::chrono::milliseconds retry_after)> goodbye = {};
    std::chrono::milliseconds spread{};  ///< range of the times to come back
    std::uint64_t seed = 0;              ///< seed of these times
    std::uint64_t told = 0;              ///< devices notified so far
};

/// Returns the time after which the `nth` device of a stop should come back, at least the time of a restart. All times
/// are as far apart as `spread` allows for any number of devices (multiples of the golden ratio, modulo 1). Pure.
[[nodiscard]] inline std::chrono::milliseconds retry_after(const StopTask& task, std::uint64_t nth) {
    constexpr std::chrono::milliseconds soonest{1'000};
    constexpr std::uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;  // as a fraction of 2^64
    const double share = static_cast<double>((task.seed + nth * golden_ratio) >> 11) * 0x1p-53;
    return soonest + std::chrono::duration_cast<std::chrono::milliseconds>(task.spread * share);
}

/// Table of the connections whose end the gateway began: FIN was sent, and the peer's bytes are read until its FIN.
/// Owns their close reasons and the times of the next checks. The shard's thread.
class Partings {
public:
    /// Time without a byte after the kernel acknowledged our FIN; the peer is then assumed to have seen it.
    static constexpr std::chrono::milliseconds quiet{250};
    /// Longest time to read a peer that continues to send, or half the time until the deadline if that is shorter.
    /// Pauses of reading do not count.
    static constexpr std::chrono::milliseconds longest{2'000};

    struct Parting {
        std::uint8_t listener = 0;
        CloseReason reason{};
        std::string_view detail;                  ///< static text, a text of Core::details, or empty
        std::uint32_t code = 0;                   ///< as in CloseInfo
        Tick began;                               ///< time at which FIN was sent
        SteadyTime deadline;                      ///< end of reading, in attended time
        std::chrono::milliseconds max_reading{};  ///< limit that follows from `longest`
        std::uint64_t bytes_in = 0;               ///< the connection's count at the latest check
        std::shared_ptr<const void> order = {};   ///< owner kept alive until the connection ends
    };

    void add(Token number, Parting parting, SteadyTime now) {
        ++by_listener_[parting.listener];
        partings_.emplace(number, std::move(parting));
        check_again(number, now);
    }
    /// Returns nullptr if the connection is not parting.
    [[nodiscard]] Parting* find(Token number) {
        const auto found = partings_.find(number);
        return found == partings_.end() ? nullptr : &found->second;
    }
    void remove(Token number) {
        const auto found = partings_.find(number);
        --by_listener_[found->second.listener];
        partings_.erase(found);
    }
    void check_again(Token number, SteadyTime now) { checks_.emplace_back(number, now + quiet); }

    /// Removes and returns the next connection whose check is due, or nullopt if none is.
    [[nodiscard]] std::optional<Token> due(SteadyTime now) {
        while (!checks_.empty() && checks_.front().second <= now) {
            const Token number = checks_.front().first;
            checks_.pop_front();
            if (partings_.contains(number)) return number;
        }
        return std::nullopt;
    }
    /// Returns the time of the next check, or nullopt if there is none.
    [[nodiscard]] std::optional<SteadyTime> next_check() const {
        return checks_.empty() ? std::nullopt : std::optional(checks_.front().second);
    }
    /// Returns the time to set a timer for, or nullopt if none is needed or one is set. A timer counts as set until
    /// expired().
    [[nodiscard]] std::optional<SteadyTime> wants_timer() {
        return std::exchange(has_timer_, !checks_.empty()) ? std::nullopt : next_check();
    }
    void expired() noexcept { has_timer_ = false; }
    [[nodiscard]] std::size_t size() const noexcept { return partings_.size(); }
    [[nodiscard]] std::size_t size_of(std::uint8_t listener) const noexcept { return by_listener_[listener]; }

private:
    std::unordered_map<Token, Parting> partings_;
    std::deque<std::pair<Token, SteadyTime>> checks_;  // in ascending time
    bool has_timer_ = false;
    std::array<std::size_t, 256> by_listener_{};  // by listener number
};

}  // namespace holdfast
