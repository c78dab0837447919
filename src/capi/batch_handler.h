#pragma once

#include <holdfast/events.h>

#include "capi/event_queue.h"

namespace holdfast {

/// Copies the events of one reactor into an EventQueue, a batch per turn.
class BatchHandler final : public EventHandler {
public:
    explicit BatchHandler(EventQueue& queue) : queue_(queue) {}

    void on_connected(const ConnectedEvent& event) override;
    void on_identified(const IdentifiedEvent& event) override;
    void on_item(const ItemEvent& event) override;
    void on_bad_item(const BadItemEvent& event) override;
    void on_closed(const ClosedEvent& event) override;
    void on_turn_end() override;
    [[nodiscard]] bool ready() override { return !queue_.is_full(); }

private:
    template <typename Event>
    [[nodiscard]] hf_event begin(std::uint32_t kind, const Event& event);

    EventQueue& queue_;
    EventBatch batch_;
};

}  // namespace holdfast
