#include "sink/spool_sink.h"

#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "base/check.h"
#include "codec/event_writer.h"

namespace holdfast {

namespace {

/// Maximum size of a batch. A turn with more events fills further rows, because a reader reads whole rows.
constexpr std::size_t largest_batch = std::size_t{1} << 20;

}  // namespace

/// Callback of the handler for the spool's thread. Shared, because that thread may use it after the handler has ended.
struct SpoolSink::Told {
    std::mutex mutex;
    bool gone = false;                        // guarded by mutex
    std::function<void(std::uint64_t)> tell;  // guarded by mutex
};

/// Handles the events of one reactor. Writes lines into its own batch, and appends the batch at the end of the turn.
class SpoolSink::Handler final : public EventHandler, public Durable {
public:
    explicit Handler(SpoolSink& sink) : sink_(sink) {}
    ~Handler() override {
        const std::lock_guard lock(reported_->mutex);
        reported_->gone = true;
    }

    void on_connected(const ConnectedEvent& event) override {
        writer_.append_connected(batch_.lines, event);
        count(event.listener);
    }
    void on_identified(const IdentifiedEvent& event) override {
        writer_.append_identified(batch_.lines, event);
        count(event.listener);
    }
    void on_item(const ItemEvent& event) override {
        writer_.append_item(batch_.lines, event);
        if (event.seq != 0) mark(event.device, event.seq);
        count(event.listener);
    }
    void on_closed(const ClosedEvent& event) override {
        writer_.append_closed(batch_.lines, event);
        count(event.listener);
    }
    void on_bad_item(const BadItemEvent& event) override {
        if (!sink_.bad_items_) return;
        writer_.append_bad_item(batch_.lines, event);
        count_event(event.listener);
    }
    void on_refused(const RefusedItem& item) override {
        mark(item.device, item.seq);
        ++calls_;
    }
    void on_turn_end() override {
        if (calls_ != handed_over_ || batch_.events > 0) hand_over();
    }
    bool ready() override { return sink_.has_room(batch_.lines.size()); }
    Durable* durable() override { return this; }

    void on_durable_change(std::function<void(std::uint64_t)> tell) override {
        const std::lock_guard lock(reported_->mutex);
        reported_->tell = std::move(tell);
    }
    void look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) override {
        sink_.spool_.look_up({std::string(device.id), std::string(device.session), device.authenticated},
                             [told = reported_, answer = std::move(answer)](std::uint64_t seq) {
                                 const std::lock_guard lock(told->mutex);
                                 if (!told->gone) answer(seq);
                             });
    }

private:
    void count(std::string_view listener) {
        ++calls_;
        count_event(listener);
    }
    void count_event(std::string_view listener) {
        ++batch_.events;
        if (batch_.listeners.empty() || batch_.listeners.back().first != listener) {
            batch_.listeners.emplace_back(listener, 0);
        }
        ++batch_.listeners.back().second;
        if (batch_.lines.size() >= largest_batch) hand_over();
    }

    /// Records the last number of a device's session. The items of a device in one turn are consecutive, so one mark
    /// suffices.
    void mark(const DeviceName& device, std::uint64_t seq) {
        if (device.session.empty()) return;
        if (!batch_.marks.empty()) {
            Watermark& latest = batch_.marks.back();
            const DeviceName its{latest.name.id, latest.name.session, latest.name.authenticated};
            if (its == device) {
                latest.seq = seq;
                return;
            }
        }
        batch_.marks.push_back({{std::string(device.id), std::string(device.session), device.authenticated}, seq});
    }

    void hand_over() {
        const std::size_t size = batch_.lines.size();
        batch_.durable = [told = reported_, bytes = sink_.bytes_, size, calls = calls_] {
            bytes->fetch_add(size, std::memory_order_relaxed);
            const std::lock_guard lock(told->mutex);
            if (!told->gone && told->tell) told->tell(calls);
        };
        handed_over_ = calls_;
        sink_.spool_.append(std::exchange(batch_, SpoolBatch{}));
        batch_.lines.reserve(size);  // the next turn has about the same size
    }

    SpoolSink& sink_;
    EventWriter writer_;
    SpoolBatch batch_;
    std::uint64_t calls_ = 0;
    std::uint64_t handed_over_ = 0;  // calls that were appended to the spool
    const std::shared_ptr<Told> reported_ = std::make_shared<Told>();
};

SpoolSink::SpoolSink(Spool& spool, std::size_t queue_bytes, bool bad_items)
    : spool_(spool),
      queue_bytes_(queue_bytes),
      bad_items_(bad_items),
      bytes_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

SpoolSink::~SpoolSink() = default;

std::unique_ptr<EventHandler> SpoolSink::make_handler() { return std::make_unique<Handler>(*this); }

SinkFigures SpoolSink::figures() const {
    const SpoolStatus status = spool_.status();
    return {.events = status.events,
            .written = status.events - status.waiting_events,
            .bytes = bytes_->load(std::memory_order_relaxed),
            .full = !has_room(0),
            .error = status.error};
}

}  // namespace holdfast
