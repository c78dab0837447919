#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include <holdfast/events.h>

#include "capi/event_queue.h"
#include "capi/open_questions.h"

namespace holdfast {

/// The durable side of one reactor's events: passes look-ups to the program, and its reports to the reactor. Shared by
/// the handler and by the batches that the program has not made durable. Any thread.
class DurableEvents final : public Durable {
public:
    DurableEvents(EventQueue& queue, OpenQuestions& questions) : queue_(queue), questions_(questions) {}

    void on_durable_change(std::function<void(std::uint64_t count)> tell) override {
        const std::lock_guard lock(mutex_);
        tell_ = std::move(tell);
    }
    /// Puts the question behind all events of earlier turns, so that the program finds them durable when it answers.
    void look_up(const DeviceName& device, std::function<void(std::uint64_t seq)> answer) override;

    /// Reports that the first `calls` calls of the handler are durable.
    void tell(std::uint64_t calls) {
        const std::lock_guard lock(mutex_);
        if (tell_) tell_(calls);
    }

private:
    EventQueue& queue_;
    OpenQuestions& questions_;
    std::mutex mutex_;
    std::function<void(std::uint64_t)> tell_;  // guarded by mutex_
};

}  // namespace holdfast
