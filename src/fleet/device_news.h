#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/events.h>

#include "model/identity.h"

namespace holdfast {

/// Change of a connection whose device is identified.
struct DeviceNote {
    std::string id;
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    EventTime at;
    Identity identity = Identity::claimed;
    EventTime established = {};  ///< see ConnectedEvent
    bool ended = false;          ///< its peer had shut it down when it stated the id
    bool gone = false;
    std::optional<CloseReason> reason = {};
};

/// Queue from the reactors to the fleet's thread. Bounded: it drops and reports excess notes, so that the reader can
/// list all connections instead. Any thread; take() has one caller.
class DeviceNews {
public:
    static constexpr std::size_t max_notes = 100'000;

    void push(std::vector<DeviceNote>& notes);
    void wake();

    struct Notes {
        std::vector<DeviceNote> notes;
        bool dropped = false;  ///< some notes were dropped since the last call
    };
    /// Returns the waiting notes; waits at most `timeout` for the first.
    [[nodiscard]] Notes take(std::chrono::milliseconds timeout);

private:
    std::mutex mutex_;  // guards the members below
    std::condition_variable changed_;
    std::vector<DeviceNote> notes_;
    bool dropped_ = false;
    bool woken_ = false;
};

/// Returns a handler that forwards every call to `inner`, and at the end of each turn pushes the arrivals and
/// departures of devices to `news`. `news` must outlive the handler.
[[nodiscard]] std::unique_ptr<EventHandler> note_devices(std::unique_ptr<EventHandler> inner, DeviceNews& news);

}  // namespace holdfast
