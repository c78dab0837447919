#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <holdfast/reason.h>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Connections whose end the gateway has begun: FIN has been sent, and the bytes that the peer had sent before it saw
/// that are still read. Owns why each ends, and when it is looked at next. The shard's thread.
class Partings {
public:
    /// A peer is taken to have seen the FIN once its kernel has acknowledged it and no byte has come for so long.
    static constexpr std::chrono::milliseconds quiet{250};
    /// Peers that go on sending are read for so long, and for half of the time until the deadline; pauses of reading
    /// are not counted.
    static constexpr std::chrono::milliseconds longest{2'000};

    struct Parting {
        std::uint8_t listener = 0;
        CloseReason reason{};
        std::string_view detail;                   ///< static text, or empty
        Tick began;                                ///< when FIN was sent
        SteadyTime deadline;                       ///< in attended time: nothing is read from then on
        std::chrono::milliseconds most_reading{};  ///< see `longest`
        std::uint64_t bytes_in = 0;                ///< of the connection, at the latest look
        std::shared_ptr<const void> order = {};    ///< kept until the connection has ended
    };

    void add(Token number, Parting parting, SteadyTime now) {
        ++by_listener_[parting.listener];
        partings_.emplace(number, std::move(parting));
        look_again(number, now);
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
    void look_again(Token number, SteadyTime now) { looks_.emplace_back(number, now + quiet); }

    /// Removes and returns the next connection whose look is due, or nullopt if none is.
    [[nodiscard]] std::optional<Token> due(SteadyTime now) {
        while (!looks_.empty() && looks_.front().second <= now) {
            const Token number = looks_.front().first;
            looks_.pop_front();
            if (partings_.contains(number)) return number;
        }
        return std::nullopt;
    }
    /// Returns the time of the next look, or nullopt if there is none.
    [[nodiscard]] std::optional<SteadyTime> next_look() const {
        return looks_.empty() ? std::nullopt : std::optional(looks_.front().second);
    }
    /// Returns the time for which a timer must be set, or nullopt if none must: until expired(), one is set.
    [[nodiscard]] std::optional<SteadyTime> wants_timer() {
        return std::exchange(has_timer_, !looks_.empty()) ? std::nullopt : next_look();
    }
    void expired() noexcept { has_timer_ = false; }
    [[nodiscard]] std::size_t size() const noexcept { return partings_.size(); }
    [[nodiscard]] std::size_t size_of(std::uint8_t listener) const noexcept { return by_listener_[listener]; }

private:
    std::unordered_map<Token, Parting> partings_;
    std::deque<std::pair<Token, SteadyTime>> looks_;  // in the order of their times
    bool has_timer_ = false;
    std::array<std::size_t, 256> by_listener_{};  // by listener number
};

}  // namespace holdfast
