#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reactor_context.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// A device's hello, about which the program decides. Views are valid during the call only.
struct HelloEvent {
    ConnectionId conn = {};
    std::string_view listener = {};
    Endpoint peer = {};
    DeviceName device = {};       ///< as it claims; nothing has proved the id
    std::string_view token = {};  ///< a secret of the device; empty: none
    EventTime at = {};
};

/// Settings of the program for a device that it lets in.
struct DeviceTerms {
    /// Its connection's own detect_within, as by ReactorContext::set_detect_within(): it holds from the decision on,
    /// also against later changes of the listener's. nullopt: the listener's. If max_own_plans other values are in use
    /// on the reactor, the listener's stays.
    std::optional<std::chrono::milliseconds> detect_within = {};
};

/// Decides about one hello. Copies share the decision, and the first one counts. Until then the connection is held and
/// not read, for at most HelloDecision::timeout. If all copies are destroyed before, it is rejected. Any thread; never
/// waits, and does nothing once the connection has ended.
class HelloDecision {
public:
    static constexpr std::chrono::seconds timeout{10};

    /// Accepts the connection as this device, or by default as the one that it claims to be. Its events have the id as
    /// authenticated. Throws Misuse for an id of more than 128 bytes or with control characters, and for terms that are
    /// out of range.
    void accept(std::string_view id = {}, const DeviceTerms& terms = {}) const;
    /// Closes the connection, also with bytes for the device and CloseOrder::flush.
    void reject(const CloseOrder& order = {.reason = CloseReason::unauthenticated}, std::string_view bytes = {}) const;

    class State;
    explicit HelloDecision(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

private:
    [[nodiscard]] State& state() const;

    std::shared_ptr<State> state_;
};

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
