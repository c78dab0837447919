#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>

#include "base/clock.h"

namespace holdfast {

/// What a server told of one connection.
struct RecordedLife {
    ConnectionId conn;
    std::uint64_t items = 0;
    std::optional<SteadyTime> closed_at;
    CloseReason reason{};
};

/// Lives by the peer's name.
using RecordedLives = std::map<Endpoint, RecordedLife>;

/// Notes when each connection begins and ends, and why. Any thread; outlives the handlers it has made.
class LifeRecorder {
public:
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler();

    [[nodiscard]] RecordedLives lives() const;
    /// Returns once `enough` holds (asked under the lock, whenever something has happened) or at `deadline`: whether.
    bool wait_until(SteadyTime deadline, const std::function<bool(const RecordedLives&)>& enough) const;

private:
    class Handler;
    template <typename Note>
    void note(const Endpoint& peer, const Note& change);

    mutable std::mutex mutex_;
    mutable std::condition_variable news_;
    RecordedLives lives_;
};

}  // namespace holdfast
