#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <holdfast/events.h>
#include <holdfast/result.h>

namespace holdfast {

/// Counters and state of a sink.
struct SinkFigures {
    std::uint64_t events = 0;   ///< accepted events
    std::uint64_t written = 0;  ///< accepted events that were written, made durable, or published
    std::uint64_t bytes = 0;    ///< bytes of the written events
    bool full = false;          ///< accepts no more events for now
    std::string error;          ///< empty while writing succeeds
};

/// Changes of a running sink that a reload can make.
struct SinkChange {
    std::string path;
    std::size_t queue_bytes = 0;
};

/// Receives the events of all reactors. Never blocks them, and bounds the waiting events. Any thread, unless a function
/// says otherwise.
class Sink {
public:
    virtual ~Sink() = default;

    /// Returns the handler of one reactor, which must be destroyed before the sink.
    [[nodiscard]] virtual std::unique_ptr<EventHandler> make_handler() = 0;

    /// Writes the waiting events, for at most `timeout`. Returns the number of events that are lost with this process.
    virtual std::uint64_t stop(std::chrono::milliseconds timeout) = 0;
    /// Ends the wait of a present or later stop().
    virtual void give_up() = 0;
    /// Reopens the file after a log rotation.
    virtual void reopen() {}
    /// Opens what the change needs, and changes nothing yet; calling what it returns makes the change.
    [[nodiscard]] virtual Result<std::function<void()>> prepare_change(const SinkChange&) {
        return std::function<void()>([] {});
    }

    [[nodiscard]] virtual SinkFigures figures() const { return {}; }
};

/// The sink `none`: accepts events and discards them.
class DiscardingSink final : public Sink {
public:
    [[nodiscard]] std::unique_ptr<EventHandler> make_handler() override;
    std::uint64_t stop(std::chrono::milliseconds) override { return 0; }
    void give_up() override {}
};

}  // namespace holdfast
