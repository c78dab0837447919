#include "doctor/life_recorder.h"

namespace holdfast {

template <typename Note>
void LifeRecorder::note(const Endpoint& peer, const Note& change) {
    const std::lock_guard lock(mutex_);
    change(lives_[peer]);
    news_.notify_all();
}

class LifeRecorder::Handler : public EventHandler {
public:
    explicit Handler(LifeRecorder& recorder) : recorder_(recorder) {}

    void on_connected(const ConnectedEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) { life.conn = event.conn; });
    }
    void on_item(const ItemEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) { life.items = event.n; });
    }
    void on_closed(const ClosedEvent& event) override {
        recorder_.note(event.peer, [&](RecordedLife& life) {
            life.closed_at = clock_.steady();
            life.reason = event.reason;
        });
    }

private:
    LifeRecorder& recorder_;
    const SystemClock clock_;
};

std::unique_ptr<EventHandler> LifeRecorder::make_handler() { return std::make_unique<Handler>(*this); }

RecordedLives LifeRecorder::lives() const {
    const std::lock_guard lock(mutex_);
    return lives_;
}

bool LifeRecorder::wait_until(SteadyTime deadline, const std::function<bool(const RecordedLives&)>& enough) const {
    std::unique_lock lock(mutex_);
    return news_.wait_until(lock, deadline, [&] { return enough(lives_); });
}

}  // namespace holdfast
