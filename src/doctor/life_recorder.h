#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>

#include "base/clock.h"

namespace holdfast {

/// Events of one connection that a server reported.
struct RecordedLife {
    ConnectionId conn;
    std::uint64_t items = 0;
    std::optional<SteadyTime> closed_at;
    CloseReason reason{};
};

/// Recorded connections by the peer's address.
using RecordedLives = std::map<Endpoint, RecordedLife>;

/// Records when and why each connection begins and ends. Any thread; outlives the handlers that it makes.
class LifeRecorder {
public:
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler();

    [[nodiscard]] RecordedLives lives() const;
    /// Waits until `enough` holds or `deadline` passes. Returns whether it held. `enough` is called under the lock
    /// after each event.
    bool wait_until(SteadyTime deadline, const std::function<bool(const RecordedLives&)>& enough) const;

private:
    class Handler;
    template <typename Note>
    void note(const Endpoint& peer, const Note& change);

    mutable std::mutex mutex_;
    mutable std::condition_variable news_;
    RecordedLives lives_;
};

/// Passes events on to another handler and, on request, blocks its reactor for a while, as if the gateway's process
/// were stopped. Owns the other handler; called on the reactor's thread.
class PausingHandler final : public EventHandler {
public:
    using Pause = std::atomic<std::chrono::milliseconds::rep>;  ///< milliseconds to block in the next call; 0: none

    PausingHandler(std::unique_ptr<EventHandler> inner, Pause& pause) : inner_(std::move(inner)), pause_(pause) {}

    void on_connected(const ConnectedEvent& event) override { inner_->on_connected(event); }
    void on_closed(const ClosedEvent& event) override { inner_->on_closed(event); }
    void on_item(const ItemEvent& event) override {
        inner_->on_item(event);
        if (const auto pause = pause_.exchange(0); pause > 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(pause));
        }
    }

private:
    std::unique_ptr<EventHandler> inner_;
    Pause& pause_;
};

}  // namespace holdfast
