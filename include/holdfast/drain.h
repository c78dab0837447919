#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/visibility.h>

namespace holdfast HOLDFAST_PUBLIC {

/// Where the devices that a drain ends are meant to come back to.
enum class ComeBack : std::uint8_t {
    at_once,  ///< another gateway, or this one, takes them now
    later,    ///< this one when it has been restarted: each is told to wait for `over`, so all come after the drain
};
[[nodiscard]] std::string_view to_string(ComeBack when) noexcept;
[[nodiscard]] std::optional<ComeBack> parse_come_back(std::string_view word) noexcept;

/// Which living connections to end, and how gently. They end as `drained`, in no order that their age or address shows,
/// as far apart as `over` allows; what has arrived of each is delivered first. Who connects meanwhile stays.
struct DrainOrder {
    std::chrono::milliseconds over{120'000};  ///< 1 s to 24 h
    std::optional<Prefix> peer = {};
    std::optional<std::string> listener = {};
    bool goodbye = true;  ///< each is sent {"retry_after_ms":N} before the end
    ComeBack come_back = ComeBack::later;

    /// All of the gateway: from then on it counts as out of service.
    [[nodiscard]] bool is_of_all() const { return !peer && !listener; }
};

/// The latest drain.
struct DrainStatus {
    enum class State : std::uint8_t { running, done, cancelled };

    DrainOrder order;
    State state = State::running;
    std::uint64_t found = 0;  ///< connections that it is about
    std::uint64_t ended = 0;  ///< by it
    std::uint64_t gone = 0;   ///< that ended by themselves before it was their turn
    EventTime began_at;

    [[nodiscard]] std::uint64_t left() const { return found - ended - gone; }
};
[[nodiscard]] std::string_view to_string(DrainStatus::State state) noexcept;

}  // namespace HOLDFAST_PUBLIC
