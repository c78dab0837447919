#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Destination of drained devices when they reconnect.
enum class ComeBack : std::uint8_t {
    at_once,  ///< at once, to another gateway or this one
    later,    ///< to this one after its restart: each device waits for `over`, so that all return after the drain
};
[[nodiscard]] std::string_view to_string(ComeBack when) noexcept;
[[nodiscard]] std::optional<ComeBack> parse_come_back(std::string_view word) noexcept;

/// Selects living connections to end, and the pace. They end as `drained`, in an order independent of age and address,
/// spread over `over`; received bytes are delivered first. New connections are not affected.
struct DrainOrder {
    std::chrono::milliseconds over{120'000};  ///< 1 s to 24 h
    std::optional<Prefix> peer = {};
    std::optional<std::string> listener = {};
    bool goodbye = true;  ///< each is sent {"retry_after_ms":N} before the end
    ComeBack come_back = ComeBack::later;

    /// Returns true for a drain of the whole gateway, which counts as out of service from then on.
    [[nodiscard]] bool is_of_all() const { return !peer && !listener; }
};

/// State of the latest drain.
struct DrainStatus {
    enum class State : std::uint8_t { running, done, cancelled };

    DrainOrder order = {};
    State state = State::running;
    std::uint64_t found = 0;  ///< connections selected
    std::uint64_t ended = 0;  ///< ended by the drain
    std::uint64_t gone = 0;   ///< ended before their turn
    EventTime began_at = {};

    [[nodiscard]] std::uint64_t left() const { return found - ended - gone; }
};
[[nodiscard]] std::string_view to_string(DrainStatus::State state) noexcept;

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
