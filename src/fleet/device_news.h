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

namespace holdfast {

/// What became of a connection whose device has a name.
struct DeviceNote {
    std::string id;
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    EventTime at;
    bool proved = false;         ///< to be that device
    EventTime established = {};  ///< see ConnectedEvent
    bool ended = false;          ///< its peer had shut it down when it said its id
    bool gone = false;
    std::optional<CloseReason> reason = {};
};

/// From the reactors to the fleet's thread. Bounded: what does not fit is dropped, and that is told, so that the reader
/// looks for itself. Any thread; take() has one caller.
class DeviceNews {
public:
    static constexpr std::size_t most_notes = 100'000;

    void push(std::vector<DeviceNote>& notes);
    void wake();

    struct Taken {
        std::vector<DeviceNote> notes;
        bool dropped = false;  ///< some, since the last call
    };
    /// What there is, after at most so long.
    [[nodiscard]] Taken take(std::chrono::milliseconds patience);

private:
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::vector<DeviceNote> notes_;
    bool dropped_ = false;
    bool woken_ = false;
};

/// Hands every call on to `inner`, and at the end of each turn tells `news` of the devices that came and went. It must
/// outlive it.
[[nodiscard]] std::unique_ptr<EventHandler> note_devices(std::unique_ptr<EventHandler> inner, DeviceNews& news);

}  // namespace holdfast
