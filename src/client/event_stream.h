#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

/// A message of a stream of server-sent events.
struct StreamedEvent {
    std::string kind;
    std::string data;
    std::string id;
};

/// Cuts a stream of server-sent events (HTML Living Standard, 9.2.6) into messages. Accepts any pieces. Bounded; one
/// thread.
class EventStream {
public:
    static constexpr std::size_t max_line = std::size_t{8} * 1024 * 1024;  ///< a longer one ends the stream

    /// Creates a cutter. `take` returns false to end the stream.
    explicit EventStream(std::function<bool(const StreamedEvent&)> take) : take_(std::move(take)) {}

    /// Returns false if the stream has ended.
    [[nodiscard]] bool take(std::string_view piece);

private:
    [[nodiscard]] bool take_line(std::string_view line);

    std::function<bool(const StreamedEvent&)> take_;
    std::string rest_;
    StreamedEvent event_;
};

}  // namespace holdfast
