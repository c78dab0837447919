#include "daemon/event_tap.h"

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "codec/event_writer.h"

namespace holdfast {
namespace {

/// Counts the events of one kind that were shown in the current second.
class SecondsAllowance {
public:
    /// Returns true and counts the event if one more may be shown; otherwise counts it as skipped.
    [[nodiscard]] bool take(EventTime at, std::uint64_t max) {
        const auto second = std::chrono::floor<std::chrono::seconds>(at);
        if (second != second_) shown_ = 0;
        second_ = second;
        if (shown_ < max) return ++shown_ > 0;
        ++skipped_;
        return false;
    }

    [[nodiscard]] std::uint64_t take_skipped() { return std::exchange(skipped_, 0); }

private:
    std::chrono::sys_seconds second_;
    std::uint64_t shown_ = 0;
    std::uint64_t skipped_ = 0;
};

/// Publishes the events of one reactor. Used by the thread of that reactor.
class EventTap final : public EventHandler {
public:
    EventTap(std::unique_ptr<EventHandler> inner, EventHub& hub) : inner_(std::move(inner)), hub_(hub) {}

    void on_start(ReactorContext& context) override { inner_->on_start(context); }
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        inner_->on_hello(event, decision);
    }
    void on_connected(const ConnectedEvent& event) override {
        inner_->on_connected(event);
        if (hub_.wanted(FeedKind::connected)) [[unlikely]]
            show(FeedKind::connected, event, &EventWriter::append_connected,
                 FeedSubject{event.device.id, {}, event.peer.address});
    }
    void on_item(const ItemEvent& event) override {
        inner_->on_item(event);
        if (hub_.wanted(FeedKind::item)) [[unlikely]]
            show(FeedKind::item, event, &EventWriter::append_item,
                 FeedSubject{event.device.id, event.key, event.peer.address});
    }
    void on_closed(const ClosedEvent& event) override {
        inner_->on_closed(event);
        if (hub_.wanted(FeedKind::closed)) [[unlikely]]
            show(FeedKind::closed, event, &EventWriter::append_closed,
                 FeedSubject{event.device.id, event.key, event.peer.address});
    }
    void on_identified(const IdentifiedEvent& event) override {
        inner_->on_identified(event);
        if (hub_.wanted(FeedKind::connected)) [[unlikely]]
            show(FeedKind::connected, event, &EventWriter::append_identified,
                 FeedSubject{event.device.id, {}, event.peer.address});
    }
    void on_refused(const RefusedItem& item) override { inner_->on_refused(item); }
    void on_bad_item(const BadItemEvent& event) override {
        inner_->on_bad_item(event);
        if (hub_.wanted(FeedKind::bad_item)) [[unlikely]]
            show(FeedKind::bad_item, event, &EventWriter::append_bad_item,
                 FeedSubject{event.device.id, {}, event.peer.address});
    }
    void on_turn_end() override {
        inner_->on_turn_end();
        if (skipping_) [[unlikely]]
            report_skipped();
    }
    bool ready() override { return inner_->ready(); }
    Durable* durable() override { return inner_->durable(); }

private:
    template <typename Event>
    void show(FeedKind kind, const Event& event, void (EventWriter::*append)(std::string&, const Event&),
              const FeedSubject& subject) {
        const EventHub::Interest interest = hub_.interest(kind, subject, interests_);
        if (interest == EventHub::Interest::none) return;
        const bool chosen = interest == EventHub::Interest::chosen;
        SecondsAllowance& allowance = (chosen ? chosen_ : any_)[static_cast<std::size_t>(kind)];
        if (!allowance.take(event.at, chosen ? max_chosen_per_second : max_tapped_per_second)) {
            skipping_ = true;
            return;
        }
        std::string line;
        (writer_.*append)(line, event);
        line.pop_back();  // removes the line feed
        hub_.publish(kind, std::move(line), subject);
    }

    void report_skipped() {
        for (const FeedKind kind : {FeedKind::connected, FeedKind::item, FeedKind::bad_item, FeedKind::closed}) {
            const auto place = static_cast<std::size_t>(kind);
            if (const auto skipped = any_[place].take_skipped()) hub_.skip(kind, skipped);
            if (const auto skipped = chosen_[place].take_skipped())
                hub_.skip(kind, skipped, EventHub::Interest::chosen);
        }
        skipping_ = false;
    }

    std::unique_ptr<EventHandler> inner_;
    EventHub& hub_;
    EventWriter writer_;
    EventHub::Interests interests_;
    std::array<SecondsAllowance, feed_kind_count> any_;
    std::array<SecondsAllowance, feed_kind_count> chosen_;  // of events that a filter selects
    bool skipping_ = false;
};

}  // namespace

std::unique_ptr<EventHandler> tap_events(std::unique_ptr<EventHandler> inner, EventHub& hub) {
    return std::make_unique<EventTap>(std::move(inner), hub);
}

}  // namespace holdfast
