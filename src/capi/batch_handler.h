#pragma once

#include <cstdint>
#include <memory>

#include <holdfast/events.h>
#include <holdfast/hello.h>

#include "capi/durable_events.h"
#include "capi/event_queue.h"
#include "capi/open_questions.h"

namespace holdfast {

/// Copies the events of one reactor into an EventQueue, a batch per turn.
class BatchHandler final : public EventHandler {
public:
    BatchHandler(EventQueue& queue, OpenQuestions& questions, bool is_durable)
        : queue_(queue),
          questions_(questions),
          durable_(is_durable ? std::make_shared<DurableEvents>(queue, questions) : nullptr) {}

    void on_connected(const ConnectedEvent& event) override;
    void on_identified(const IdentifiedEvent& event) override;
    void on_item(const ItemEvent& event) override;
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override;
    void on_refused(const RefusedItem& item) override;
    void on_bad_item(const BadItemEvent& event) override;
    void on_closed(const ClosedEvent& event) override;
    void on_turn_end() override;
    [[nodiscard]] bool ready() override { return !queue_.is_full(); }
    [[nodiscard]] Durable* durable() override { return durable_.get(); }

private:
    template <typename Event>
    [[nodiscard]] hf_event begin(std::uint32_t kind, const Event& event);

    /// Adds the event of a call that Durable counts.
    void add_counted(const hf_event& event) {
        ++calls_;
        batch_.add(event);
    }

    EventQueue& queue_;
    OpenQuestions& questions_;
    const std::shared_ptr<DurableEvents> durable_;  // null: events do not outlive a crash
    EventBatch batch_;
    std::uint64_t calls_ = 0;
};

}  // namespace holdfast
