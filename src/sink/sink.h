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

/// Receives the events of all reactors. Never blocks them, and bounds the waiting events. Any thread, unless a function
/// says otherwise.
class Sink {
public:
    virtual ~Sink() = default;

    /// Returns the handler of one reactor, which must be destroyed before the sink.
    [[nodiscard]] virtual std::unique_ptr<EventHandler> make_handler() = 0;

    /// Writes the waiting events, for at most `patience`. Returns the number of events that are lost with this process.
    virtual std::uint64_t stop(std::chrono::milliseconds patience) = 0;
    /// Ends the wait of a present or later stop().
    virtual void give_up() = 0;
    /// Reopens the file after a log rotation.
    virtual void reopen() {}

    [[nodiscard]] virtual SinkFigures figures() const = 0;
};

}  // namespace holdfast
