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

/// What is said about any sink.
struct SinkFigures {
    std::uint64_t events = 0;   ///< taken over
    std::uint64_t written = 0;  ///< of those, where they belong: written, durable, or published
    std::uint64_t bytes = 0;    ///< of those
    bool full = false;          ///< it takes no more for now
    std::string error;          ///< empty while it can write
};

/// Takes the events of all reactors: never blocks them, and bounds what waits. Any thread, unless said otherwise.
class Sink {
public:
    virtual ~Sink() = default;

    /// The handler of one reactor; it must be gone before the sink.
    [[nodiscard]] virtual std::unique_ptr<EventHandler> make_handler() = 0;

    /// Writes what waits, for at most `patience`; the number of events that are lost with this process.
    virtual std::uint64_t stop(std::chrono::milliseconds patience) = 0;
    /// A stop() under way, or to come, waits no longer.
    virtual void give_up() = 0;
    /// After a log rotation.
    virtual void reopen() {}

    [[nodiscard]] virtual SinkFigures figures() const = 0;
};

}  // namespace holdfast
