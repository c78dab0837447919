#include "embed/event_tee.h"

#include <utility>

#include <holdfast/hello.h>
#include <holdfast/reactor_context.h>

namespace holdfast {
namespace {

class EventTee final : public EventHandler {
public:
    EventTee(std::unique_ptr<EventHandler> first, std::unique_ptr<EventHandler> last)
        : first_(std::move(first)), last_(std::move(last)) {}

    void on_start(ReactorContext& context) override {
        first_->on_start(context);
        last_->on_start(context);
    }
    void on_connected(const ConnectedEvent& event) override {
        first_->on_connected(event);
        last_->on_connected(event);
    }
    void on_item(const ItemEvent& event) override {
        first_->on_item(event);
        last_->on_item(event);
    }
    void on_closed(const ClosedEvent& event) override {
        first_->on_closed(event);
        last_->on_closed(event);
    }
    void on_identified(const IdentifiedEvent& event) override {
        first_->on_identified(event);
        last_->on_identified(event);
    }
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        first_->on_hello(event, decision);
    }
    void on_refused(const RefusedItem& item) override {
        first_->on_refused(item);
        last_->on_refused(item);
    }
    void on_bad_item(const BadItemEvent& event) override {
        first_->on_bad_item(event);
        last_->on_bad_item(event);
    }
    void on_turn_end() override {
        first_->on_turn_end();
        last_->on_turn_end();
    }
    bool ready() override {
        const bool is_first_ready = first_->ready();  // both are called, as they may count
        return last_->ready() && is_first_ready;
    }
    Durable* durable() override { return last_->durable(); }

private:
    std::unique_ptr<EventHandler> first_;
    std::unique_ptr<EventHandler> last_;
};

}  // namespace

std::unique_ptr<EventHandler> tee_events(std::unique_ptr<EventHandler> first, std::unique_ptr<EventHandler> last) {
    return std::make_unique<EventTee>(std::move(first), std::move(last));
}

}  // namespace holdfast
