#include "alarm/alarm_engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "alarm/alarm_book.h"
#include "alarm/gateway_alarms.h"
#include "alarm/listener_step.h"
#include "alarm/listener_watch.h"
#include "alarm/sink_alarms.h"

namespace holdfast {

class AlarmEngine::Impl {
public:
    explicit Impl(const AlarmConfig& settings) : settings_(settings) {}

    void restore(AlarmBoard former) { book_.restore(std::move(former)); }
    void change(const AlarmConfig& settings) { settings_ = settings; }
    void note(const Observation& observation);
    void note_gap(CloseLog::Time now) { closes_.note_gap(now); }
    std::vector<Alarm> evaluate(const AlarmInput& input);
    AlarmBoard board() const { return book_.board(); }
    void acknowledge(std::uint64_t id, std::optional<Acknowledgement> acknowledged) {
        book_.acknowledge(id, std::move(acknowledged));
    }

private:
    static constexpr std::size_t listener_numbers = std::numeric_limits<std::uint8_t>::max() + 1;

    void end_the_gone(const ServerStatus& status);
    ListenerWatch& watch_of(const ListenerStatus& status);
    bool minute_ended(std::chrono::steady_clock::time_point now);
    [[nodiscard]] CloseLog::Time needs_since(CloseLog::Time now) const;

    AlarmConfig settings_;
    AlarmBook book_;
    CloseLog closes_;
    std::array<std::unique_ptr<ListenerWatch>, listener_numbers> listeners_;  // by ListenerStatus::number
    std::vector<std::uint8_t> watched_;                                       // existing listeners
    SinkWatch sink_;
    DriftWatch drift_;
    BufferWatch buffers_;
    LinkWatch links_;
    DuplicateWatch duplicates_;
    SessionWatch sessions_;
    ForwardingWatch forwarding_;
    SpoolWatch spool_;
    RestartWatch restarts_;
    std::optional<std::chrono::steady_clock::time_point> minute_started_;
};

void AlarmEngine::Impl::note(const Observation& observation) {
    if (observation.kind == Observation::Kind::closed) closes_.note(observation);
    if (auto& watch = listeners_[observation.listener]) watch->note(observation);
}

CloseLog::Time AlarmEngine::Impl::needs_since(CloseLog::Time now) const {
    CloseLog::Time since = now - DropWatch::memory(settings_);
    for (const std::uint8_t number : watched_) {
        since = std::min(since, listeners_[number]->needs_since(now, settings_));
    }
    return since;
}

bool AlarmEngine::Impl::minute_ended(std::chrono::steady_clock::time_point now) {
    if (!minute_started_) minute_started_ = now;
    if (now - *minute_started_ < std::chrono::minutes(1)) return false;
    minute_started_ = now;
    return true;
}

/// Ends the watches of listeners that a reload removed or replaced.
void AlarmEngine::Impl::end_the_gone(const ServerStatus& status) {
    std::erase_if(watched_, [&](std::uint8_t number) {
        auto& watch = listeners_[number];
        const auto is_its = [&watch](const ListenerStatus& listener) { return watch->is_of(listener); };
        if (std::any_of(status.listeners.begin(), status.listeners.end(), is_its)) return false;
        watch->end(book_);
        watch.reset();
        return true;
    });
}

ListenerWatch& AlarmEngine::Impl::watch_of(const ListenerStatus& status) {
    auto& watch = listeners_[status.number];
    if (!watch) {
        watch = std::make_unique<ListenerWatch>(status);
        watched_.push_back(status.number);
    }
    return *watch;
}

std::vector<Alarm> AlarmEngine::Impl::evaluate(const AlarmInput& input) {
    book_.begin(input.now, input.wall);
    closes_.forget_before(needs_since(input.now));
    const Sample sample{.now = input.now,
                        .settings = settings_,
                        .closes = closes_,
                        .census = input.census,
                        .book = book_,
                        .links = input.links,
                        .wall = input.wall,
                        .draining = input.status.draining,
                        .minute_ended = minute_ended(input.now)};
    end_the_gone(input.status);
    for (const ListenerStatus& status : input.status.listeners) {
        book_.see_population(status.name, status.connections);
        watch_of(status).evaluate(sample, status);
    }
    sink_.evaluate(book_, input);
    drift_.evaluate(book_, input);
    buffers_.evaluate(book_, input);
    links_.evaluate(book_, input);
    duplicates_.evaluate(book_, input);
    sessions_.evaluate(book_, input);
    forwarding_.evaluate(book_, input);
    spool_.evaluate(book_, input);
    restarts_.evaluate(book_, input);
    return book_.take_news();
}

AlarmEngine::AlarmEngine(const AlarmConfig& settings) : impl_(std::make_unique<Impl>(settings)) {}
AlarmEngine::~AlarmEngine() = default;
void AlarmEngine::restore(AlarmBoard former) { impl_->restore(std::move(former)); }
void AlarmEngine::change(const AlarmConfig& settings) { impl_->change(settings); }
void AlarmEngine::note_gap(std::chrono::steady_clock::time_point now) { impl_->note_gap(now); }
void AlarmEngine::note(const Observation& observation) { impl_->note(observation); }
std::vector<Alarm> AlarmEngine::evaluate(const AlarmInput& input) { return impl_->evaluate(input); }
AlarmBoard AlarmEngine::board() const { return impl_->board(); }
void AlarmEngine::acknowledge(std::uint64_t id, std::optional<Acknowledgement> acknowledged) {
    impl_->acknowledge(id, std::move(acknowledged));
}

}  // namespace holdfast
