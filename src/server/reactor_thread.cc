#include "server/reactor_thread.h"

#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "base/start_thread.h"

namespace holdfast {

ReactorThread::ReactorThread(const Clock& clock, Admission& admission, const ShardOptions& shard,
                             std::unique_ptr<Pipeline> pipeline)
    : line_(std::make_shared<Line>()),
      pipeline_(std::move(pipeline)),
      reactor_(clock),
      shard_(reactor_, *pipeline_, admission, shard) {
    std::vector<ListenerCounters*> counters;
    for (const auto& each : shard_.listener_counters()) counters.push_back(each.get());
    pipeline_->count_in(std::move(counters));
    line_->thread = this;
}

ReactorThread::~ReactorThread() {
    wait();
    const std::lock_guard lock(line_->mutex);
    line_->thread = nullptr;
}

std::function<void(std::function<void()>)> ReactorThread::line() {
    return [line = line_, generation = fork_generation()](std::function<void()> work) {
        if (generation != fork_generation()) return;  // in a child of fork(2): the lock may be held for ever
        const std::lock_guard lock(line->mutex);
        if (line->thread == nullptr) return;
        static_cast<void>(line->thread->post([run = std::move(work)](Shard&) { run(); }));
    };
}

void ReactorThread::wait() {
    const std::lock_guard lock(joining_);
    if (thread_.joinable()) thread_.join();
}

void ReactorThread::begin_here() {
    context_state_->start();
    pipeline_->start(*context_);
    shard_.start();
}

void ReactorThread::start(unsigned number, std::shared_future<bool> may_run) {
    thread_ = start_thread("reactor-" + std::to_string(number), [this, may_run = std::move(may_run)] {
        if (!may_run.get()) return;
        begin_here();
        reactor_.run(shard_);
        context_state_->end();
    });
}

TurnStatus ReactorThread::turns() const {
    using std::chrono::ceil;
    using std::chrono::microseconds;
    const TurnMeter& turns = reactor_.turns();
    return {.longest = ceil<microseconds>(turns.longest()),
            .longest_cpu = ceil<microseconds>(turns.longest_cpu()),
            .long_turns = turns.long_turns()};
}

std::chrono::milliseconds ReactorThread::silence(SteadyTime now) {
    const std::lock_guard lock(pulse_mutex_);
    if (owes_answer_) return std::chrono::floor<std::chrono::milliseconds>(now - questioned_at_);
    questioned_at_ = now;
    owes_answer_ = true;
    if (!post([this](Shard&) { owes_answer_ = false; })) owes_answer_ = false;  // the reactor has ended
    return std::chrono::milliseconds(0);
}

}  // namespace holdfast
