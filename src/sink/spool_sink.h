#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sink/sink.h"
#include "spool/spool.h"

namespace holdfast {

/// Appends events to a spool as lines, one batch per turn, and notifies reactors of durable events. When `queue_bytes`
/// wait, its handlers are not ready, and devices wait. With `bad_items`, it writes an event for each of them. Owns
/// nothing: the spool outlives it.
class SpoolSink final : public Sink {
public:
    SpoolSink(Spool& spool, std::size_t queue_bytes, bool bad_items = false);
    ~SpoolSink() override;

    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() override;
    std::uint64_t stop(std::chrono::milliseconds timeout) override { return spool_.stop(timeout); }
    void give_up() override { spool_.give_up(); }
    [[nodiscard]] SinkFigures figures() const override;

    [[nodiscard]] Result<std::function<void()>> prepare_change(const SinkChange& change) override {
        return std::function<void()>(
            [this, bytes = change.queue_bytes] { queue_bytes_.store(bytes, std::memory_order_relaxed); });
    }

private:
    class Handler;
    struct Told;

    [[nodiscard]] bool has_room(std::size_t more) const {
        return spool_.waiting_bytes() + more < queue_bytes_.load(std::memory_order_relaxed);
    }

    Spool& spool_;
    std::atomic<std::size_t> queue_bytes_;
    const bool bad_items_;
    // Durable bytes. Shared, because the spool's thread may use it after the sink has ended.
    const std::shared_ptr<std::atomic<std::uint64_t>> bytes_;
};

}  // namespace holdfast
