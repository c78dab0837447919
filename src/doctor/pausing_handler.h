#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <holdfast/events.h>

namespace holdfast {

/// Passes events on to another handler and, once asked to, blocks its reactor for a while: to devices the gateway is
/// then absent, as if its process were stopped. Owns the other handler; its calls come on the reactor's thread.
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
